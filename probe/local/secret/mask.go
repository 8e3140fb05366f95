package secret

import (
	"path"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Placeholder stands for what is masked.
const Placeholder = "[masked]"

// Mask returns a command line with Placeholder in place of its secrets, and whether it
// had any.
func Mask(argv []string) (masked []string, found bool) {
	masked = slices.Clone(argv)
	m := masker{text: len(argv) == 1}
	for i, a := range argv {
		masked[i] = m.arg(a)
		m.text = isShell(argv[:i+1])
		found = found || masked[i] != a
	}
	return masked, found
}

// masker goes through the arguments of a command line.
type masker struct {
	program program
	login   bool                // "docker login" was seen
	text    bool                // the argument is a command line of its own: a title, or for a shell
	value   func(string) string // masks the next argument; nil: it is none of a flag
}

// arg masks one argument.
func (m *masker) arg(a string) string {
	if mask := m.value; mask != nil {
		m.value = nil
		if !strings.HasPrefix(a, "-") || a == "-" {
			return mask(a)
		}
	}
	if masked, ok := m.short(a); ok {
		return masked
	}
	if !strings.HasPrefix(a, "-") {
		m.begin(a)
	}
	name, value, given := flag(a)
	if m.text {
		name, given = "", false
	}
	c := classOf(name)
	switch long := strings.HasPrefix(a, "--") && slices.Contains(strings.Fields(m.program.long), name); {
	case long && given:
		return a[:len(a)-len(value)] + m.program.mask(value)
	case long:
		m.value = m.program.mask
		return a
	case c != harmless && given && !strings.ContainsAny(name, " \t\n"):
		return a[:len(a)-len(value)] + maskValue(c, value)
	case c != harmless && !given && strings.HasPrefix(a, "-"):
		m.value = func(value string) string { return maskValue(c, value) }
		return a
	}
	return maskText(a)
}

// flag divides "--name=value", "-name=value", "name=value" and "/name:value". Of what is
// neither, name is all of it without the dashes.
func flag(a string) (name, value string, given bool) {
	name = strings.TrimLeft(a, "-")
	if rest, windows := strings.CutPrefix(a, "/"); windows {
		if name, value, given = strings.Cut(rest, ":"); given {
			return name, value, true
		}
	}
	name, value, given = strings.Cut(name, "=")
	if given && strings.ContainsFunc(name, notInName) {
		return "", "", false
	}
	return name, value, given
}

// isShell reports whether arguments end as "sh -c": a command line follows.
func isShell(args []string) bool {
	flag := args[len(args)-1]
	if !strings.HasPrefix(flag, "-") || strings.HasPrefix(flag, "--") || !strings.HasSuffix(flag, "c") {
		return false
	}
	return slices.ContainsFunc(args, func(a string) bool {
		return slices.Contains([]string{"sh", "bash", "dash", "zsh", "ksh", "ash", "fish"}, path.Base(a))
	})
}

func notInName(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.[]", r)
}

// maskValue masks the value of a flag as a whole, of "pass:secret" (openssl) what follows.
func maskValue(c class, value string) string {
	if rest, ok := strings.CutPrefix(value, "pass:"); ok && rest != "" {
		return "pass:" + Placeholder
	}
	if c.hides(value) {
		return Placeholder
	}
	return maskText(value)
}

// program is which short flags of a program have secrets.
type program struct {
	flags    string // the secret follows, attached or as the next argument
	attached string // the secret is attached; alone it is none
	long     string // names of flags of which the same holds
	after    string // the secret is what follows the first of these in the flag's value; "" for all of it
}

// mask masks the value of a flag of the program.
func (p program) mask(v string) string {
	if p.after == "" {
		return maskValue(sure, v)
	}
	if at := strings.Index(v, p.after); at >= 0 && at+1 < len(v) {
		return v[:at+1] + Placeholder
	}
	return maskText(v)
}

// programs are those that take secrets by short flags.
var programs = []struct {
	names string
	program
}{
	{"sshpass cqlsh beeline", program{flags: "p"}},
	{"redis-cli valkey-cli", program{flags: "a"}},
	{"mosquitto_pub mosquitto_sub mosquitto_rr sqlcmd bcp tsql ipmitool zip unzip", program{flags: "P"}},
	{"7z 7za 7zr rar unrar mycli", program{attached: "p"}},
	{"curl", program{flags: "uU", long: "user proxy-user", after: ":"}},
	{"http https", program{flags: "a", after: ":"}},
	{"lftp", program{flags: "u", after: ","}},
	{"smbclient rpcclient", program{flags: "U", after: "%"}},
	{"ss-server ss-local ss-redir ss-tunnel ssserver sslocal", program{flags: "k"}},
}

// programOf is programs by their names, made once.
var programOf = sync.OnceValue(func() map[string]program {
	all := make(map[string]program)
	for _, p := range programs {
		for name := range strings.FieldsSeq(p.names) {
			all[name] = p.program
		}
	}
	return all
})

// families are beginnings of programs' names that are alike.
var families = []struct {
	prefix string
	program
}{
	{"mysql", program{attached: "p"}}, {"mariadb", program{attached: "p"}}, {"mongo", program{flags: "p"}},
	{"ldap", program{flags: "w"}}, {"snmp", program{flags: "AX"}},
}

// begin notes that a program begins: its flags may follow, also behind another's, as of
// sudo or env.
func (m *masker) begin(a string) {
	name := strings.TrimSuffix(path.Base(strings.ReplaceAll(a, `\`, "/")), ".exe")
	switch {
	case name == "docker" || name == "podman" || name == "nerdctl" || name == "helm":
		m.login = true
		return
	case name == "login" && m.login:
		m.program = program{flags: "p"}
		return
	}
	if p, known := programOf()[name]; known {
		m.program = p
		return
	}
	for _, f := range families {
		if strings.HasPrefix(name, f.prefix) && name != "mysqld" && name != "mariadbd" && name != "mongod" {
			m.program = f.program
			return
		}
	}
}

// short masks a short flag of the program, or notes that the next argument has its value.
func (m *masker) short(a string) (string, bool) {
	if len(a) < 2 || a[0] != '-' || a[1] == '-' {
		return a, false
	}
	letter, value := a[1:2], a[2:]
	mask := m.program.mask
	switch {
	case letter == "H" && strings.Contains(value, ": "): // a header
		return a[:2] + maskText(value), true
	case strings.Contains(m.program.attached, letter) && value != "",
		strings.Contains(m.program.flags, letter) && value != "" && classOf(strings.TrimLeft(a, "-")) == harmless:
		return a[:2] + mask(value), true
	case strings.Contains(m.program.flags, letter) && value == "":
		m.value = mask
		return a, true
	}
	return a, false
}
