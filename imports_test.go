package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows has every import from one package of the project to another. Main
// imports report, report imports scan, scan imports probe; on one floor a package
// imports its children or a lower package, never the inside of a sibling.
var arrows = map[string][]string{
	".": {
		"probe", "probe/farend", "probe/inquiry", "probe/listen", "probe/local", "probe/local/secret", "probe/lookup",
		"probe/ports", "probe/recog", "probe/service", "probe/wording", "report", "report/become", "report/compare",
		"report/document", "report/exitcode", "report/expect", "report/flags", "report/help", "report/interrupt",
		"report/job", "report/phrase", "report/phrase/coverage", "report/policy", "report/record", "scan",
		"scan/checkpoint", "scan/engine", "scan/files", "scan/link", "scan/target", "scan/wire", "scan/work",
		"scan/work/nats",
	},
	"probe": {
		"probe/netlink", "probe/request", "probe/traffic", "probe/wording",
	},
	"probe/decoy":  {"probe"},
	"probe/hello":  {},
	"probe/farend": {"probe", "probe/recent", "probe/traceroute"},
	"probe/listen": {"probe", "probe/farend", "probe/recent", "probe/service/answer", "probe/traceroute",
		"probe/wording"},
	"probe/hostport": {"probe", "probe/ports", "probe/wording"},
	"probe/lookup":   {},
	"probe/neighbor": {"probe/netlink"},
	"probe/inquiry": {
		"probe", "probe/decoy", "probe/farend", "probe/lookup", "probe/recog", "probe/request", "probe/service",
		"probe/traceroute",
	},
	"probe/local": {
		"probe", "probe/local/bpf", "probe/local/firewall", "probe/local/ipvs", "probe/local/nat", "probe/local/netns",
		"probe/local/nfexpr", "probe/local/owner", "probe/local/ruleset",
		"probe/local/socket", "probe/local/trace", "probe/local/watch", "probe/ports",
	},
	"probe/local/bpf":      {"probe", "probe/netlink"},
	"probe/local/firewall": {"probe", "probe/local/bpf", "probe/local/nfexpr", "probe/local/ruleset"},
	"probe/local/ipvs":     {"probe"},
	"probe/local/nat":      {"probe", "probe/local/nfexpr", "probe/local/owner", "probe/local/ruleset"},
	"probe/local/netns":    {"probe", "probe/local/owner", "probe/local/socket"},
	"probe/local/owner":    {"probe", "probe/local/secret", "probe/local/socket", "probe/ports"},
	"probe/local/secret":   {},
	"probe/local/ruleset":  {"probe", "probe/local/nfexpr", "probe/netlink"},
	"probe/local/nfexpr":   {"probe/netlink"},
	"probe/local/socket":   {"probe", "probe/netlink"},
	"probe/local/trace":    {"probe", "probe/local/netns", "probe/local/owner", "probe/local/socket"},
	"probe/netlink":        {},
	"probe/textfile":       {},
	"probe/nettest":        {"probe/nettest/nft"},
	"probe/nettest/nft":    {},
	"probe/nettest/race":   {},
	"probe/ports":          {"probe", "probe/textfile", "probe/wording"},
	"probe/recog":          {},
	"probe/recent":         {},
	"probe/request":        {},
	"probe/local/watch":    {"probe/local/socket"},
	"probe/service": {
		"probe", "probe/hello", "probe/recog", "probe/request", "probe/service/answer", "probe/traffic",
	},
	"probe/service/answer": {"probe", "probe/request"},
	"probe/traffic":        {},
	"probe/traceroute":     {"probe"},
	"probe/wording":        {},
	"report": {
		"probe", "probe/local", "probe/wording", "report/ci", "report/compact", "report/compare", "report/document",
		"report/expect", "report/html",
		"report/nmap", "report/phrase", "report/reading", "report/record", "report/text", "scan", "scan/files",
	},
	"report/become": {},
	"report/ci": {
		"probe", "probe/listen", "probe/local", "probe/ports", "probe/wording", "report/compact", "report/phrase",
		"report/phrase/arrival", "report/phrase/passing", "report/record", "scan", "scan/wire",
	},
	"report/compact": {"probe", "report/record", "scan"},
	"report/compare": {
		"probe", "probe/local", "probe/local/owner", "report/compact", "report/phrase", "report/record", "scan",
	},
	"report/document": {
		"probe", "probe/listen", "probe/local", "probe/local/owner", "probe/ports", "report/phrase", "report/record",
		"scan", "scan/wire",
	},
	"report/expect": {
		"probe", "probe/local", "probe/local/firewall", "probe/local/owner", "probe/wording", "report/phrase",
		"report/phrase/passing", "report/record", "scan", "scan/wire",
	},
	"report/help": {"probe", "probe/hostport", "probe/ports", "probe/wording"},
	"report/html": {
		"probe", "probe/listen", "probe/local", "probe/ports", "probe/wording", "report/matrix", "report/phrase",
		"report/phrase/arrival", "report/phrase/passing", "report/record", "scan", "scan/control", "scan/wire",
	},
	"report/exitcode":  {"report/help"},
	"report/flags":     {},
	"report/interrupt": {"report"},
	"report/job": {
		"probe", "probe/inquiry", "probe/listen", "probe/local", "probe/neighbor", "probe/ports", "probe/wording", "report",
		"report/phrase",
		"report/phrase/arrival", "report/phrase/coverage", "report/phrase/passing", "report/record", "scan",
		"scan/batch", "scan/capture", "scan/checkpoint", "scan/connect", "scan/engine", "scan/files", "scan/forecast",
		"scan/link", "scan/method", "scan/named", "scan/target", "scan/wire", "scan/work",
	},
	"report/matrix": {"probe", "report/record", "scan"},
	"report/nmap": {
		"probe", "probe/local", "probe/wording", "report/compact", "report/phrase", "report/record", "scan",
	},
	"report/phrase": {
		"probe", "probe/local", "probe/local/bpf", "probe/local/firewall", "probe/local/nat",
		"probe/local/netns",
		"probe/local/owner", "probe/local/socket", "probe/local/trace", "probe/ports", "probe/wording",
		"report/phrase/evidence", "report/phrase/packets", "report/record", "scan", "scan/control", "scan/engine",
	},
	"report/phrase/evidence": {"probe", "probe/traceroute", "probe/wording"},
	"report/phrase/arrival":  {"probe", "probe/listen", "probe/wording", "report/phrase"},
	"report/phrase/coverage": {"probe/recog", "probe/wording", "scan/target"},
	"report/phrase/packets": {
		"probe/local/bpf", "probe/local/firewall", "probe/local/nat", "probe/local/nfexpr",
		"probe/local/ruleset", "probe/wording",
	},
	"report/phrase/passing": {
		"probe", "probe/traffic", "probe/wording", "report/phrase", "report/record", "scan/wire",
	},
	"report/policy": {
		"probe", "probe/hostport", "probe/local", "probe/ports", "probe/wording", "report/expect", "report/phrase",
		"report/phrase/coverage", "report/record", "scan", "scan/files", "scan/target",
	},
	"report/reading": {"probe", "probe/textfile", "report/compact", "report/record"},
	"report/record": {
		"probe", "probe/listen", "probe/local", "probe/local/nat", "probe/local/owner", "probe/local/trace",
		"probe/ports", "scan", "scan/forecast", "scan/wire",
	},
	"report/reporttest": {
		"probe", "probe/listen", "probe/local", "probe/local/firewall", "probe/local/nat", "probe/local/owner",
		"probe/local/socket", "probe/local/trace", "probe/ports", "probe/traffic", "report", "report/record", "scan",
		"scan/wire",
	},
	"report/schematest": {"report/document"},
	"report/text": {
		"probe", "probe/listen", "probe/local", "probe/local/owner", "probe/ports", "probe/wording", "report/matrix",
		"report/phrase", "report/phrase/arrival", "report/phrase/evidence", "report/phrase/passing", "report/record",
		"report/text/fold",
		"scan", "scan/control", "scan/routes", "scan/target", "scan/wire",
	},
	"report/text/fold": {"probe", "probe/wording", "report/phrase", "report/record", "scan"},
	"scan": {
		"probe", "probe/decoy", "probe/recog", "probe/request", "probe/service", "scan/checkpoint", "scan/control",
		"scan/engine", "scan/named", "scan/queue", "scan/target", "scan/timing", "scan/verdict",
	},
	"scan/batch":   {"probe/wording", "scan/target"},
	"scan/capture": {},
	"scan/checkpoint": {
		"probe", "scan/engine", "scan/files", "scan/target", "scan/varint", "scan/verdict",
	},
	"scan/connect":  {"probe", "probe/netlink", "scan/engine", "scan/link"},
	"scan/control":  {"probe", "scan/engine", "scan/verdict"},
	"scan/engine":   {"probe"},
	"scan/files":    {},
	"scan/forecast": {"probe", "scan", "scan/engine", "scan/routes", "scan/timing"},
	"scan/link":     {"probe", "probe/netlink"},
	"scan/ip":       {},
	"scan/packet":   {"probe", "probe/request", "scan/ip"},
	"scan/method":   {"probe", "scan/connect", "scan/engine", "scan/raw", "scan/target"},
	"scan/queue":    {},
	"scan/raw":      {"probe", "scan/engine", "scan/link", "scan/packet"},
	"scan/routes":   {"probe", "scan/link", "scan/target"},
	"scan/scantest": {"probe", "scan", "scan/target"},
	"scan/simnet":   {"probe", "scan/engine"},
	"scan/target": {
		"probe", "probe/hostport", "probe/lookup", "probe/ports", "probe/textfile", "probe/wording", "scan/files",
		"scan/varint",
	},
	"scan/named":  {"probe", "scan/control", "scan/engine"},
	"scan/timing": {"scan/engine"},
	"scan/wire": {
		"probe", "probe/service", "probe/traffic", "scan", "scan/capture", "scan/ip", "scan/link", "scan/packet",
		"scan/verdict",
	},
	"scan/work": {
		"probe", "scan", "scan/checkpoint", "scan/control", "scan/engine", "scan/named", "scan/target", "scan/varint",
		"scan/verdict",
	},
	"scan/work/nats": {"probe/wording", "scan/files", "scan/work"},
	"scan/varint":    {},
	"scan/verdict":   {"probe", "scan/engine"},
}

// fences has the files that alone may import a library, as patterns.
var fences = map[string][]string{
	"github.com/fatih/color":     {"report/text/*.go"},
	"github.com/urfave/cli/v2":   {"*.go", "report/flags/*.go"},
	"github.com/nats-io":         {"scan/work/nats/*.go"},
	"github.com/google/gopacket": {"scan/packet/*.go"},
	"github.com/goccy/go-yaml":   {"report/policy/*.go"},

	// Its tables take milliseconds of every start; it is for tests.
	"github.com/santhosh-tekuri/jsonschema/v6": {"report/schematest/*.go"},
	"github.com/google/nftables":               {"probe/nettest/*_linux.go", "probe/nettest/nft/*_linux.go"},
	"github.com/vishvananda/netlink":           {"probe/netlink/*_linux.go", "probe/nettest/*_linux.go"},
	"golang.org/x/sys/unix": {
		"probe/*_linux.go", "probe/netlink/*_linux.go", "probe/*_unix.go", "probe/nettest/*_linux.go",
		"probe/nettest/nft/*_linux.go",
		"probe/ports/*_linux.go", "probe/local/*_linux.go", "probe/local/netns/*_linux.go",
		"probe/local/owner/*_linux.go", "probe/local/socket/*_linux.go", "probe/local/ruleset/*_linux.go",
		"probe/local/nfexpr/*_linux.go", "probe/local/bpf/*_linux.go",
		"probe/local/trace/*_linux.go",
		"report/*_unix.go", "probe/local/watch/*_linux.go", "probe/farend/*_linux.go",
		"probe/listen/*_linux.go", "probe/listen/*_unix.go", "scan/files/*_linux.go", "scan/files/*_unix.go",
		"scan/link/*_linux.go", "scan/link/*_unix.go",
	},
}

// A package fits one reader's head: maxFiles files and maxLines lines, tests apart.
const (
	maxFiles = 25
	maxLines = 3000
)

// source is one file that is no test, and what it imports.
type source struct {
	path    string
	imports []string
	lines   int
}

// sources reads the Go files of the project by package, tests apart.
func sources(t *testing.T) map[string][]source {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	for _, pattern := range []string{"*/*.go", "*/*/*.go", "*/*/*/*.go"} {
		deeper, err2 := filepath.Glob(pattern)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		paths = append(paths, deeper...)
	}
	all := make(map[string][]source)
	for _, path := range paths {
		pkg := filepath.ToSlash(filepath.Dir(path))
		if strings.HasSuffix(path, "_test.go") || pkg == "testdata" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		s := source{path: filepath.ToSlash(path), lines: bytes.Count(text, []byte("\n"))}
		for _, spec := range parsed.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			s.imports = append(s.imports, to)
		}
		all[pkg] = append(all[pkg], s)
	}
	return all
}

// TestImports holds the packages' imports against arrows, in both directions, and
// those of libraries against fences.
func TestImports(t *testing.T) {
	used := make(map[string]bool)
	for pkg, files := range sources(t) {
		allowed, known := arrows[pkg]
		if !known {
			t.Errorf("package %s has no line in arrows", pkg)
		}
		for _, f := range files {
			for _, to := range f.imports {
				if inside, ok := strings.CutPrefix(to, "onmux/"); ok {
					used[pkg+" "+inside] = true
					if !slices.Contains(allowed, inside) {
						t.Errorf("%s imports %s, which arrows does not allow", f.path, inside)
					}
				}
				for fenced, patterns := range fences {
					if to != fenced && !strings.HasPrefix(to, fenced+"/") {
						continue
					}
					match := func(p string) bool { ok, _ := filepath.Match(p, f.path); return ok }
					if !slices.ContainsFunc(patterns, match) {
						t.Errorf("%s imports %s; only %s may", f.path, to, strings.Join(patterns, ", "))
					}
				}
			}
		}
	}
	for pkg, allowed := range arrows {
		for _, to := range allowed {
			if !used[pkg+" "+to] {
				t.Errorf("arrows allows %s to import %s, and no file does", pkg, to)
			}
			if floor(to) > floor(pkg) {
				t.Errorf("arrows lets %s import %s, which is above it", pkg, to)
			}
		}
	}
}

// TestArchitecture finds every package in ARCHITECTURE.md, at least by its last element.
func TestArchitecture(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(string(text), func(r rune) bool { return strings.ContainsRune("`{},/ \n", r) })
	for pkg := range sources(t) {
		if name := pkg[strings.LastIndex(pkg, "/")+1:]; pkg != "." && !slices.Contains(words, name) {
			t.Errorf("ARCHITECTURE.md does not name %s", pkg)
		}
	}
}

// floor is the height of a package: imports go down, or stay on one floor.
func floor(pkg string) int {
	top, _, _ := strings.Cut(pkg, "/")
	return slices.Index([]string{"probe", "scan", "report", "."}, top)
}

// TestPackageSizes keeps packages small, and each with a doc.go.
func TestPackageSizes(t *testing.T) {
	for pkg, files := range sources(t) {
		lines, documented := 0, pkg == "."
		for _, f := range files {
			lines += f.lines
			documented = documented || strings.HasSuffix(f.path, "/doc.go")
		}
		if !documented {
			t.Errorf("package %s has no doc.go", pkg)
		}
		if len(files) > maxFiles || lines > maxLines {
			t.Errorf("package %s has %d files with %d lines: the most is %d with %d", pkg, len(files), lines, maxFiles,
				maxLines)
		}
	}
}
