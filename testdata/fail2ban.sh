#!/usr/bin/env bash
# Probes mail, FTP and SSH servers in a network namespace with no way out, and prints how many lines
# of their logs the filters of fail2ban match: first after the probes, which should be none, then after
# one login that fails at each, which shows that the filters work. Needs root.
#
#   apt-get install fail2ban openssh-server openssh-client postfix dovecot-imapd dovecot-pop3d vsftpd proftpd-core
#   CGO_ENABLED=0 go build -o onmux . && testdata/fail2ban.sh ./onmux
#
# Debian installs one FTP server at a time: VSFTPD and PROFTPD name the programs, as unpacked by dpkg -x.
set -u
onmux=$(realpath "${1:?the onmux binary}")
if [ -z "${INSIDE-}" ]; then
	INSIDE=1 exec unshare -n -m -p -f --kill-child --mount-proc -- "$0" "$onmux"
fi
PATH=$PATH:/usr/sbin:/sbin
vsftpd=${VSFTPD:-vsftpd} proftpd=${PROFTPD:-proftpd}
ip link set lo up
dir=$(mktemp -d /tmp/fail2ban.XXXXXX)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
mount -t tmpfs none /run && mkdir -p /run/sshd /run/dovecot /run/vsftpd/empty
mount -t tmpfs -o mode=755 none /mnt && cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /mnt/
mkdir /mnt/shm /mnt/pts && chmod 1777 /mnt/shm && ln -s /proc/self/fd /mnt/fd && mount --rbind /dev/pts /mnt/pts
mount --move /mnt /dev

# A syslog daemon that writes lines as rsyslog does.
python3 - "$dir" <<'END' &
import os, re, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('/dev/log')
os.chmod('/dev/log', 0o666)
with open(sys.argv[1] + '/syslog', 'ab', 0) as f:
    while True:
        b = s.recv(65536)
        m = re.match(rb'<\d+>(\w{3} [ \d]\d \d\d:\d\d:\d\d) (.*)', b, re.S)
        f.write((m.group(1) + b' host ' + m.group(2) if m else b).rstrip(b'\n\0') + b'\n')
END
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=x -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
chmod 644 "$dir"/*.pem
ssh-keygen -q -t ed25519 -N '' -f "$dir/host" </dev/null
/usr/sbin/sshd -f /dev/null -h "$dir/host" -p 22 -o LogLevel=VERBOSE
printf '%s\n' listen=YES listen_port=21 background=NO anonymous_enable=NO local_enable=YES xferlog_enable=YES \
	log_ftp_protocol=YES "vsftpd_log_file=$dir/vsftpd.log" xferlog_std_format=NO >"$dir/vsftpd.conf"
"$vsftpd" "$dir/vsftpd.conf" &
printf '%s\n' 'ServerType standalone' 'Port 2121' 'DefaultAddress 127.0.0.1' 'User nobody' 'Group nogroup' \
	"PidFile $dir/p.pid" "ScoreboardFile $dir/p.score" "SystemLog $dir/proftpd.log" 'UseReverseDNS off' >"$dir/proftpd.conf"
"$proftpd" -c "$dir/proftpd.conf"
printf '%s\n' 'base_dir = /run/dovecot' 'protocols = imap pop3' 'ssl = yes' "ssl_cert = <$dir/cert.pem" \
	"ssl_key = <$dir/key.pem" "mail_location = maildir:$dir/mail" 'auth_verbose = yes' \
	'passdb {' ' driver = static' ' args = password=secret' '}' >"$dir/dovecot.conf"
dovecot -F -c "$dir/dovecot.conf" &
mount -t tmpfs none /var/spool/postfix && mount -t tmpfs none /var/lib/postfix && chown postfix /var/lib/postfix
cp -a /etc/postfix "$dir/postfix"
printf '%s\n' compatibility_level=3.6 myhostname=mx.invalid inet_interfaces=127.0.0.1 mynetworks=203.0.113.0/24 \
	"maillog_file=$dir/postfix.log" maillog_file_prefixes=/tmp "config_directory=$dir/postfix" \
	"smtpd_tls_cert_file=$dir/cert.pem" "smtpd_tls_key_file=$dir/key.pem" smtpd_tls_security_level=may \
	postscreen_greet_action=enforce >"$dir/postfix/main.cf"
printf '%s\n' '25 inet n - n - 1 postscreen' '587 inet n - n - - smtpd' 'smtpd pass - - n - - smtpd' \
	'dnsblog unix - - n - 0 dnsblog' 'tlsproxy unix - - n - 0 tlsproxy' 'tlsmgr unix - - n 1000? 1 tlsmgr' \
	'proxymap unix - - n - - proxymap' 'qmgr unix n - n 300 1 qmgr' 'cleanup unix n - n - 0 cleanup' \
	'rewrite unix - - n - - trivial-rewrite' 'anvil unix - - n - 1 anvil' 'postlog unix-dgram n - n - 1 postlogd' \
	>"$dir/postfix/master.cf"
postfix -c "$dir/postfix" start-fg >/dev/null 2>&1 &
for p in 22 21 2121 143 110 993 25 587; do
	timeout 30 sh -c "until ss -lnt | grep -q ':$p '; do sleep 0.2; done" || echo "nothing listens on $p"
done

matched() {
	for spec in sshd:syslog dovecot:syslog vsftpd:vsftpd.log proftpd:proftpd.log postfix:postfix.log \
		'sshd[mode=aggressive]:syslog' 'dovecot[mode=aggressive]:syslog' 'postfix[mode=aggressive]:postfix.log'; do
		filter=${spec%%:*} mode=""
		[[ $filter == *[* ]] && mode=[${filter#*[}
		printf '  %-28s' "$filter"
		fail2ban-regex "$dir/${spec##*:}" "/etc/fail2ban/filter.d/${filter%%[*}.conf$mode" | grep '^Lines:' || echo "no result"
	done
}
ports=22,21,2121,143,110,993,25,587/tcp
for _ in $(seq 12); do "$onmux" probe 127.0.0.1 -p $ports -q >/dev/null; done
for flag in -v --thorough --starttls --verify-open; do "$onmux" probe 127.0.0.1 -p $ports $flag >/dev/null; done
"$onmux" scan 127.0.0.1 -p $ports --identify >/dev/null
echo "after 17 probes:"
matched
ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null nobody-here@127.0.0.1 true 2>/dev/null
python3 - <<'END'
import contextlib, ftplib, imaplib, smtplib
for port in 21, 2121:
    with contextlib.suppress(Exception):
        f = ftplib.FTP()
        f.connect('127.0.0.1', port, 10)
        f.login('nobody-here', 'x')
with contextlib.suppress(Exception):
    imaplib.IMAP4('127.0.0.1').login('nobody-here', 'x')
s = smtplib.SMTP('127.0.0.1', 587, timeout=20)
s.ehlo()
s.mail('a@example.org')
s.rcpt('b@example.net')
s.quit()
END
sleep 1
echo "after a login that fails at each:"
matched
