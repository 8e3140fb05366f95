package secret_test

import (
	"slices"
	"strings"
	"testing"

	. "onmux/probe/local/secret"
)

// What is a secret by its form is masked; the rest of the command line stays. Words are
// separated by "|".
func TestMask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		// Flags.
		{"server|--password=hunter2|--port=80", "server|--password=[masked]|--port=80"},
		{"server|-password=hunter2", "server|-password=[masked]"},
		{"server|--password|hunter2|--port|80", "server|--password|[masked]|--port|80"},
		{"server|--password|--port|80", "server|--password|--port|80"},
		{"server|--password=a b;c,d&e=f", "server|--password=[masked]"},
		{"server|--db-password|x|run", "server|--db-password|[masked]|run"},
		{"server|--dbPassword=x", "server|--dbPassword=[masked]"},
		{"server|--passwd=x|--passphrase|y", "server|--passwd=[masked]|--passphrase|[masked]"},
		{"server|--api-key=abc123", "server|--api-key=[masked]"},
		{"server|--apikey|abc123", "server|--apikey|[masked]"},
		{"server|--token|abc", "server|--token|[masked]"},
		{"server|--secret=abc|--client-secret|d", "server|--secret=[masked]|--client-secret|[masked]"},
		{"server|--auth|user:pw", "server|--auth|[masked]"},
		{"server|--key=0xdeadbeef", "server|--key=[masked]"},
		{"vault|--secret-id=abc|--role-id=def", "vault|--secret-id=[masked]|--role-id=def"},
		{"app|-Ddb.password=x|-Dserver.port=80", "app|-Ddb.password=[masked]|-Dserver.port=80"},
		{"jupyter|--NotebookApp.token=abc", "jupyter|--NotebookApp.token=[masked]"},
		{"redis-server|--requirepass|abc|--masterauth|def", "redis-server|--requirepass|[masked]|--masterauth|[masked]"},
		{"imapsync|--password1|a|--password2=b", "imapsync|--password1|[masked]|--password2=[masked]"},
		{"vault|server|-dev|-dev-root-token-id=abc", "vault|server|-dev|-dev-root-token-id=[masked]"},
		{"socat|-|PROXY:h:x:80,proxyauth=me:pw", "socat|-|PROXY:h:x:80,proxyauth=[masked]"},
		{"app|--bearer|abc", "app|--bearer|[masked]"},
		{"erl|-setcookie|abc", "erl|-setcookie|[masked]"},
		{"openssl|-passin|pass:abc|-passout|env:X|-passin|file:/x",
			"openssl|-passin|pass:[masked]|-passout|env:X|-passin|file:/x"},
		{"prog.exe|/password:abc", "prog.exe|/password:[masked]"},

		// What is about a secret and is none.
		{"server|--password-file=/run/p|--token-ttl=5m|--key-file|x",
			"server|--password-file=/run/p|--token-ttl=5m|--key-file|x"},
		{"server|--tls-key=/etc/ssl/a.pem|--key|server.key", "server|--tls-key=/etc/ssl/a.pem|--key|server.key"},
		{"server|--no-password|db|--ask-pass|host", "server|--no-password|db|--ask-pass|host"},
		{"mongod|--auth|--port|27017", "mongod|--auth|--port|27017"},
		{"server|--auth=none|--auth-type=basic", "server|--auth=none|--auth-type=basic"},
		{"server|--password=|--token=true", "server|--password=|--token=true"},
		{"llama|--max-tokens|4096|--host-key|x", "llama|--max-tokens|4096|--host-key|x"},
		{"env|PWD=/srv/x|OLDPWD=/", "env|PWD=/srv/x|OLDPWD=/"},
		{"nginx: master process /usr/sbin/nginx", "nginx: master process /usr/sbin/nginx"},
		{"postgres: 14/main: auth: user", "postgres: 14/main: auth: user"},
		{"ssh|git@example.org:x/y.git", "ssh|git@example.org:x/y.git"},
		{"docker|run|-p|80:80|image:tag@sha256:0123", "docker|run|-p|80:80|image:tag@sha256:0123"},
		{"tokenizer|monkey=1|--keyboard=de|compass", "tokenizer|monkey=1|--keyboard=de|compass"},
		{"app|http://host:80/a@b|//x", "app|http://host:80/a@b|//x"},

		// Variables.
		{"env|PASSWORD=x|MYSQL_PWD=y|AWS_SECRET_ACCESS_KEY=z|run",
			"env|PASSWORD=[masked]|MYSQL_PWD=[masked]|AWS_SECRET_ACCESS_KEY=[masked]|run"},
		{"docker|run|-e|POSTGRES_PASSWORD=a b|-eTOKEN=x|img",
			"docker|run|-e|POSTGRES_PASSWORD=[masked]|-eTOKEN=[masked]|img"},
		{"sh|-c|PASSWORD=x exec app --port 80", "sh|-c|PASSWORD=[masked] exec app --port 80"},
		{"sh|-c|mysqldump -pabc --password=def db | gzip", "sh|-c|mysqldump -p[masked] --password=[masked] db | gzip"},
		{"sh|-c|app --token abc --port 80", "sh|-c|app --token [masked] --port 80"},
		{"sh|-c|app --token 'a b' --port 80", "sh|-c|app --token '[masked]' --port 80"},

		// Short flags of programs that are known.
		{"mysql|-uroot|-phunter2|db", "mysql|-uroot|-p[masked]|db"},
		{"sudo|/usr/bin/mysql|-phunter2", "sudo|/usr/bin/mysql|-p[masked]"},
		{"mysql|-p|db", "mysql|-p|db"},
		{"nginx|-p/etc/nginx", "nginx|-p/etc/nginx"},
		{"mysqld|-P3306|-p3", "mysqld|-P3306|-p3"},
		{"sshpass|-phunter2|ssh|h", "sshpass|-p[masked]|ssh|h"},
		{"sshpass|-p|hunter2|ssh|h", "sshpass|-p|[masked]|ssh|h"},
		{"redis-cli|-a|abc|-p|6379", "redis-cli|-a|[masked]|-p|6379"},
		{"ldapsearch|-x|-w|abc", "ldapsearch|-x|-w|[masked]"},
		{"curl|-u|me:pw|http://h", "curl|-u|me:[masked]|http://h"},
		{"curl|-ume:pw|http://h", "curl|-ume:[masked]|http://h"},
		{"curl|--user|me:pw|http://h", "curl|--user|me:[masked]|http://h"},
		{"curl|--proxy-user=me:pw|--user=me", "curl|--proxy-user=me:[masked]|--user=me"},
		{"wget|--user|me:x", "wget|--user|me:x"},
		{"docker|login|-u|me|-p|pw", "docker|login|-u|me|-p|[masked]"},

		// URLs and connection strings.
		{"app|postgres://u:p4ss@h/db", "app|postgres://u:[masked]@h/db"},
		{"app|--url=redis://:p4ss@h:6379/0", "app|--url=redis://:[masked]@h:6379/0"},
		{"app|amqp://u:p@ss@h/v", "app|amqp://u:[masked]@h/v"},
		{"app|amqp://u:p/ss@h/v", "app|amqp://u:[masked]@h/v"},
		{"app|a://u:p@h,b://v:q@h2", "app|a://u:[masked]@h,b://v:[masked]@h2"},
		{"app|mongodb://u:p@h1,h2/db?password=x&a=b", "app|mongodb://u:[masked]@h1,h2/db?password=[masked]&a=b"},
		{"git|https://ghp_0123456789abcdef@github.com/x", "git|https://[masked]@github.com/x"},
		{"app|postgres://user@h/db|ssh://git@h", "app|postgres://user@h/db|ssh://git@h"},
		{"app|https://h/?token=abc&x=1#f", "app|https://h/?token=[masked]&x=1#f"},
		{"app|root:p4ss@tcp(127.0.0.1:3306)/db", "app|root:[masked]@tcp(127.0.0.1:3306)/db"},
		{"app|Server=h;User=u;Password=p;Database=d", "app|Server=h;User=u;Password=[masked];Database=d"},
		{"app|Server=h;Pwd=p;", "app|Server=h;Pwd=[masked];"},
		{"app|host=h password=p user=u", "app|host=h password=[masked] user=u"},
		{"app|host=h password='p q' user=u", "app|host=h password='[masked]' user=u"},
		{"qemu|-spice|port=5900,password=abc,x=on", "qemu|-spice|port=5900,password=[masked],x=on"},
		{"mount|-o|username=a,password=b,c", "mount|-o|username=a,password=[masked]"},

		// Headers, JSON, tokens.
		{"curl|-H|Authorization: Bearer abc.def", "curl|-H|Authorization: Bearer [masked]"},
		{"curl|-H|authorization: Basic abc=", "curl|-H|authorization: Basic [masked]"},
		{"curl|-H|Authorization: abc", "curl|-H|Authorization: [masked]"},
		{"curl|-HX-Api-Key: abc", "curl|-HX-Api-Key: [masked]"},
		{"curl|-HAuthorization: Bearer abc", "curl|-HAuthorization: Bearer [masked]"},
		{"curl|-HAccept: text/html", "curl|-HAccept: text/html"},
		{"curl|-H|Cookie: a=b; c=d", "curl|-H|Cookie: [masked]"},
		{"sh|-c|curl -H 'Authorization: Bearer abc' http://h", "sh|-c|curl -H 'Authorization: Bearer [masked]' http://h"},
		{`app|{"user":"u","password":"p\"q","port":1}`, `app|{"user":"u","password":"[masked]","port":1}`},
		{`app|{"token": "abc"}`, `app|{"token": "[masked]"}`},
		{"app|ghp_0123456789abcdef0123", "app|[masked]"},
		{"app|sk-proj-0123456789abcdefghij", "app|[masked]"},
		{"app|sk-learn-pipeline", "app|sk-learn-pipeline"},
		{"app|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "app|[masked]"},
		{"app|-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
			"app|-----BEGIN RSA PRIVATE KEY-----[masked]-----END RSA PRIVATE KEY-----"},
		{"python3|-c|password = 'x'\nprint(1)", "python3|-c|password = '[masked]'\nprint(1)"},
		{"app --password=hunter2 --port 80", "app --password=[masked] --port 80"},
	} {
		in := strings.Split(c.in, "|")
		kept := slices.Clone(in)
		got, found := Mask(in)
		if strings.Join(got, "|") != c.want || found != (c.in != c.want) {
			t.Errorf("%q:\n got %q %t\nwant %q", c.in, strings.Join(got, "|"), found, c.want)
		}
		if again, _ := Mask(got); !slices.Equal(again, got) {
			t.Errorf("%q: masked again: %q", got, again)
		}
		if !slices.Equal(in, kept) {
			t.Errorf("%q was changed", kept)
		}
	}
}

// Whatever is beside it, the value of a flag or a variable named password and the
// password of a URL are masked.
func FuzzMask(f *testing.F) {
	f.Add("server", "hunter2", "--port=80")
	f.Add("mysql", "a b", "-p")
	f.Add("sh -c 'x", `"`, "://")
	f.Fuzz(func(t *testing.T, before, value, after string) {
		got, _ := Mask([]string{before, after})
		if len(got) != 2 {
			t.Fatalf("%q", got)
		}
		if again, _ := Mask(got); !slices.Equal(again, got) {
			t.Errorf("%q %q: %q, then %q", before, after, got, again)
		}
		secret := "S3" + value + "cr3t"
		for _, in := range [][]string{
			{before, "--password=" + secret, after},
			{before, "--verbose", "--password", secret, after},
			{before, "--flag", "--api-key=" + secret, after},
		} {
			got, found := Mask(in)
			if !found || strings.Contains(got[len(got)-2], "S3") {
				t.Errorf("%q: %q", in, got)
			}
		}
	})
}
