package help

import (
	"slices"
	"strings"
)

// foreign has what flags of nmap, ss, nc and masscan are called here, as they are written
// there. A row without commands is for every command.
var foreign = []struct {
	flags    string
	commands string
	hint     string
}{
	// Reports of nmap and masscan.
	{"-oX", "", "-o nmap-xml=FILE writes XML as nmap does"},
	{"-oJ", "", "-o json=FILE writes JSON, -o jsonl=FILE a record in each line"},
	{"-oN", "", "-o text=FILE writes the text"},
	{"-oG -oL", "", "-o csv=FILE has a line for each endpoint; -q prints only the verdicts"},
	{"-oA", "", "-o may be repeated: -o text=FILE -o nmap-xml=FILE -o json=FILE"},
	{"-oB -oS -oD -oH -oU", "", "-o FORMAT=FILE; onmux help formats lists the formats"},
	{"--append-output --stylesheet --webxml", "", "-o html=FILE writes a page; files are replaced, never appended to"},

	// What is probed, and how.
	{"-sV --version-all --version-intensity --version-light --banners", "probe",
		"probe identifies services by default; -v has the evidence"},
	{"-sV --version-all --version-intensity --version-light --banners", "scan",
		"--identify identifies the service on each open port"},
	{
		"-A -O --osscan-guess --script -sC",
		"",
		"--identify (scan) names services and their software; there are no scripts, " +
			"and operating systems are not guessed",
	},
	{"-sS", "", "--method syn sends packets of its own, which --method auto, the default, does where it may"},
	{"-sT", "", "--method connect; --proto tcp for TCP alone"},
	{"-sU", "", "--proto udp, or a port as 53/udp; UDP is probed by default"},
	{
		"-sn -sP -sL --ping",
		"",
		"there is no ping: every address gets a verdict for each port; --dry-run prints the plan alone",
	},
	{"-sA -sF -sX -sN -sW -sM -sO -sY -sI", "", "--method syn or connect; other packets are not sent"},
	{"-Pn -P0 -PN -PS -PA -PU -PE -PP", "", "leave it out: every address is probed, whether it answers a ping or not"},
	{"-F --top-ports", "", "-p takes a list of ports, as -p 22,80,443"},
	{"-p-", "", "-p 1-65535"},
	{"-iL --includefile", "", "--targets-from FILE, or @FILE as a target"},
	{"-iR", "", "targets are never made up: name the networks that are yours to scan"},
	{"--excludefile", "", "--exclude @FILE"},
	{"-n -R --dns-servers --system-dns", "", "leave it out: addresses are not looked up"},
	{"--traceroute", "", "onmux probe HOST --path shows the routers on the way"},
	{"-e --adapter", "", "--interface NAME"},
	{"-D -S -f --mtu --data-length --spoof-mac --source-ip --router-mac --adapter-mac", "",
		"packets are sent as they are, from this machine's own addresses"},

	// How fast.
	{"-T0 -T1 -T2 -T3 -T4 -T5 --min-rate --max-rate --min-parallelism --max-parallelism --scan-delay --threads", "",
		"--rate N probes a second; a scan slows down by itself where answers get lost"},
	{"--max-retries", "", "--retries N"},
	{"--host-timeout --connection-timeout --initial-rtt-timeout --max-rtt-timeout --min-rtt-timeout", "",
		"--timeout TIME for one attempt, --deadline TIME for all"},
	{"--randomize-hosts --shards --resume-index --resume-count", "",
		"addresses are in random order; --shard I/N, --checkpoint FILE and --resume FILE"},

	// ss, netstat, lsof.
	{
		"-l -a -lnt -lntp -ltn -ltnp -tln -tlnp -tlpn -ntlp -nltp -plnt -pltn -lntup -tulpn -tulnp -tunlp -tnlup -lnu " +
			"-lnup -anp -antp " +
			"-tanp -lx -i",
		"",
		"onmux check --all-ports lists every port that something listens on, and by which process",
	},
	{"-t --tcp", "", "--proto tcp"},
	{"-u --udp", "", "--proto udp"},
	{"-n --numeric", "", "leave it out: addresses are not looked up"},
	{"-e --extended -m --memory -o --options", "check", "-v has every piece of evidence"},
	{"-K --kill", "", "nothing is ended: check names the process"},

	// nc.
	{
		"-z",
		"",
		"leave it out: onmux probe HOST:PORT --expect open -q sends no data of yours, and exits with 0 if it is open",
	},
	{"-w", "", "--timeout TIME for one attempt, as --timeout 2s"},
	{"-k -l --listen", "", "nothing is listened on; onmux check shows what does"},
	{"--ssl", "", "leave it out: TLS is recognized by its answer"},
}

// Foreign returns what a flag of another program is called in a command of onmux, "" if
// none is known. The flag is as it was typed, but for its value.
func Foreign(command, flag string) string {
	for _, f := range foreign {
		if slices.Contains(strings.Fields(f.flags), flag) && (f.commands == "" || f.commands == command) {
			return f.hint
		}
	}
	return ""
}
