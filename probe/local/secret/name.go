package secret

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// class is how surely the value that belongs to a name is a secret.
type class uint8

// The classes.
const (
	harmless class = iota
	likely         // unless it is a file or a setting: "key", "auth"
	sure           // unless it is a switch: "password"
)

// sureWords and likelyWords are words of names whose values are secrets. Those in
// likelyLast are so where they come last.
var (
	sureWords = []string{"password", "passwords", "passwd", "passphrase", "passcode", "pwd", "passin", "passout",
		"requirepass", "masterauth", "userpass", "ldappass", "setcookie", "psk"}
	likelyWords = []string{"secret", "secrets", "token", "tokens", "credential", "credentials", "creds", "apikey",
		"accesskey", "secretkey", "privatekey", "jwt", "proxyauth"}
	likelyLast = []string{"key", "auth", "authorization", "pass", "pw", "sig", "signature", "cookie", "userpwd",
		"bearer"}
	sureEnds   = []string{"password", "passwd", "passphrase", "pwd"}
	likelyEnds = []string{"secret", "token", "apikey"}
)

// about are last words of names that are about a secret and do not have it.
const about = ` address addr age alg algo algorithm attempts attribute audience backend ca cache cert
	certificate charset class cmd command complexity config conf cost count db dir directory disabled domain driver
	enabled encoding endpoint env exec expiration expires expiry fd field file files filter format group header
	headers host id ids index interval issuer jar keyfile len length level lifetime limit log max method methods min
	mode module mount name names namespace ns path paths pattern plugin plugins policy port prompt provider providers
	quota rate realm ref regex required reset retries rotation rounds scope scopes server service size source stdin
	storage store timeout tries ttl type types uri url urls user username users version webhook `

// switches are first words of names that take no secret: "--no-password".
var switches = []string{
	"no",
	"without",
	"disable",
	"skip",
	"enable",
	"use",
	"allow",
	"require",
	"ask",
	"prompt",
	"show",
	"generate",
	"verify",
	"validate",
	"check",
	"max",
	"min",
	"num",
	"n",
}

// notKeys are words before "key" or "pass" that make something else of it.
var notKeys = []string{"public", "host", "primary", "foreign", "sort", "partition", "group", "cache", "row", "order",
	"unique", "routing", "proxy", "low", "high", "band", "one", "two", "single", "multi"}

// classOf is the class of the value of a flag, a variable or a field.
func classOf(name string) class {
	if name == "PWD" || name == "OLDPWD" { // the working directory of a shell
		return harmless
	}
	all := wordsOf(name)
	switch {
	case len(all) == 0:
		return harmless
	case slices.Equal(all, []string{"far", "end"}), // the key of our own probe
		slices.Equal(all, []string{"dev", "root", "token", "id"}): // the token of Vault itself
		return sure
	}
	last := all[len(all)-1]
	switch {
	case slices.Contains(switches, all[0]) && len(all) > 1, last == "id" && !slices.Contains(all, "secret"),
		last != "id" && isAbout(last):
		return harmless
	case slices.ContainsFunc(all, func(w string) bool { return slices.Contains(sureWords, w) || ends(w, sureEnds) }):
		return sure
	case slices.ContainsFunc(all, func(w string) bool { return slices.Contains(likelyWords, w) || ends(w, likelyEnds) }):
		return likely
	case slices.Contains(likelyLast, last) && !(len(all) > 1 && slices.Contains(notKeys, all[len(all)-2])):
		return likely
	}
	return harmless
}

func isAbout(word string) bool { return aboutWords()[word] }

// aboutWords is about as a set, made once: the words of each flag of each process are looked up.
var aboutWords = sync.OnceValue(func() map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(about) {
		set[word] = true
	}
	return set
})

func ends(word string, with []string) bool {
	return slices.ContainsFunc(with, func(end string) bool { return strings.HasSuffix(word, end) })
}

// wordsOf divides a name into its words in lower case: "X-Api-Key", "API_KEY" and
// "apiKey2" are "api" and "key", and more.
func wordsOf(name string) (all []string) {
	start := 0
	add := func(end int) {
		if w := strings.TrimRight(strings.ToLower(name[start:end]), "0123456789"); w != "" {
			all = append(all, w)
		}
	}
	before := rune(0)
	for i, r := range name {
		switch {
		case r == '-' || r == '_' || r == '.' || r == '[' || r == ']':
			add(i)
			start = i + 1
		case unicode.IsUpper(r) && unicode.IsLower(before):
			add(i)
			start = i
		}
		before = r
	}
	add(len(name))
	return all
}

// Values that are settings: of names that are surely of a secret the first ones alone.
var (
	switchValues  = []string{"", "true", "false", "yes", "no", "on", "off", "none", "null", "-"}
	settingValues = []string{"stdin", "prompt", "ask", "required", "optional", "disabled", "enabled", "basic", "digest",
		"ntlm", "negotiate", "kerberos", "gssapi", "plain", "login", "bearer", "peer", "trust", "md5", "any", "all",
		"default", "0", "1"}
	references = []string{"env:", "file:", "fd:", "stdin"} // openssl-passphrase-options(1)
)

// hides reports whether a value of that class is a secret.
func (c class) hides(value string) bool {
	if strings.Trim(value, "\\\"'`") == Placeholder {
		return false
	}
	low := strings.ToLower(value)
	refers := slices.ContainsFunc(references, func(r string) bool { return strings.HasPrefix(low, r) })
	switch c {
	case sure:
		return !slices.Contains(switchValues, low) && !refers
	case likely:
		return !slices.Contains(switchValues, low) && !slices.Contains(settingValues, low) && !refers && !isPath(value)
	}
	return false
}

// directories and extensions are those of files that hold keys and settings.
var (
	directories = []string{"/etc/", "/run/", "/var/", "/home/", "/root/", "/usr/", "/opt/", "/srv/", "/tmp/", "/proc/",
		"/dev/", "/mnt/", "/data/", "/secrets/"}
	extensions = []string{".pem", ".key", ".crt", ".cer", ".der", ".p12", ".pfx", ".jks", ".pub", ".asc", ".gpg",
		".json", ".conf", ".yml", ".yaml", ".toml", ".txt", ".ini"}
)

// isPath reports whether a value names a file, which random bytes in base64 hardly do.
func isPath(v string) bool {
	return slices.ContainsFunc(directories, func(d string) bool { return strings.HasPrefix(v, d) }) ||
		ends(strings.ToLower(v), extensions) && !strings.ContainsAny(v, "=:@;&")
}
