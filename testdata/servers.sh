#!/usr/bin/env bash
# Starts the servers that it finds installed on odd ports of a network namespace
# with no way out, and prints what onmux reports of each, beside nmap -sV (if that
# is installed): milliseconds, connections (datagrams over UDP) as the kernel counts
# them, lines that the servers wrote into their logs, and the name. Needs root and nft.
#
#   apt-get install openssh-server nginx-light redis-server postgresql mariadb-server vsftpd
#     exim4-daemon-light dovecot-imapd dovecot-pop3d mosquitto memcached rabbitmq-server samba
#     slapd rsync xinetd telnetd x11vnc xvfb tinyproxy bind9 snmpd chrony tftpd-hpa
#     erlang-base stunnel4 openssl nmap rpcbind beanstalkd gpsd microsocks git xrdp coturn openvpn
#     krb5-kdc prosody ngircd etcd-server cups-daemon squid prometheus-node-exporter
#     mpd subversion bird2 libcoap3-bin kamailio zookeeperd dictd oidentd caddy sslh nats-server docker-registry
#     syncthing nut-server lcdproc pulseaudio snapserver firebird3.0-server nsca ganglia-monitor bacula-fd i2pd
#     corosync-qnetd webdis bzflag-server mercurial fossil puma h2o janus cockpit-ws trafficserver
#   CGO_ENABLED=0 go build -o onmux . && testdata/servers.sh ./onmux [NAME...]
#
# OWN=1 asks each on the port that it is known for, where there is one. NMAP= leaves nmap out; RAW=1 prints the reports as JSON, with the bytes of the
# answers, instead of the table. DEBUG=1 runs the commands on standard input among
# the servers, which are NAME=PORT/PROTO in $servers.
set -u
onmux=$(realpath "${1:?the onmux binary}")
here=$(dirname "$(realpath "$0")")
shift
if [ -z "${INSIDE-}" ]; then
	# Everything that is started dies with the process namespace.
	INSIDE=1 exec unshare -n -m -p -f --kill-child --mount-proc -- "$0" "$onmux" "$@"
fi
ip link set lo up
# Some resolvers ignore loopback: an address that leads nowhere makes them work.
ip link add d0 type veth peer name d1 && ip addr add 192.0.2.1/32 dev d0 && ip link set d0 up
wanted=" $* "
PATH=$PATH:/usr/sbin:/sbin:/usr/libexec/dovecot
dir=$(mktemp -d /tmp/servers.XXXXXX)
chmod 755 "$dir"
trap 'rm -rf "$dir"' EXIT
mount -t tmpfs none /run && mkdir -p /run/sshd /run/named /run/slapd /run/samba /run/mysqld /run/dovecot /run/chrony /run/lock
# What they do to devices, they do to these: some replace a file that they write.
mount -t tmpfs -o mode=755 none /mnt && cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /mnt/ && mkdir /mnt/shm /mnt/pts /mnt/net && chmod 1777 /mnt/shm
[ -e /dev/net/tun ] && cp -a /dev/net/tun /mnt/net/
ln -s /proc/self/fd /mnt/fd && mount --rbind /dev/pts /mnt/pts && mount --move /mnt /dev
for u in bind:/run/named openldap:/run/slapd mysql:/run/mysqld _chrony:/run/chrony; do chown "${u%%:*}" "${u#*:}" 2>/dev/null; done
exec 3>&2 2>"$dir/log"
command -v socat >/dev/null && socat -u UNIX-RECV:/dev/log,mode=0666 CREATE:"$dir/syslog" &

openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=servers.invalid -addext subjectAltName=DNS:servers.invalid \
	-keyout "$dir/key.pem" -out "$dir/cert.pem"
cat "$dir/key.pem" "$dir/cert.pem" >"$dir/both.pem"
chmod 644 "$dir"/*.pem

names=() ports=()
# have NAME PORT PROTO BINARY: is the server wanted, and is there one?
have() {
	if [ "$wanted" != "  " ] && [[ $wanted != *" $1 "* ]]; then return 1; fi
	command -v "$4" >/dev/null || { echo "$1: $4 is not installed" >&3; return 1; }
	names+=("$1") ports+=("$2/$3")
}
# runs COMMAND...: in the background, in the directory of all.
runs() { (cd "$dir" && exec "$@" </dev/null >>"$dir/log" 2>&1) & }
# within TLSPORT PORT NAME: the server again, inside TLS, by stunnel.
within() {
	command -v stunnel4 >/dev/null || return
	if [ "$wanted" != "  " ] && [[ $wanted != *" $3 "* ]]; then return; fi
	names+=("$3") ports+=("$1/tcp")
	printf 'foreground=yes\npid=\ncert=%s/both.pem\n[a]\naccept=127.0.0.1:%d\nconnect=127.0.0.1:%d\n' "$dir" "$1" "$2" >"$dir/stunnel$1"
	runs stunnel4 "$dir/stunnel$1"
}

if have ssh 20022 tcp sshd; then
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host" </dev/null
	runs /usr/sbin/sshd -D -f /dev/null -h "$dir/host" -p 20022
fi
within 20023 20022 ssh+tls
if have nginx 20080 tcp nginx; then
	cat >"$dir/nginx.conf" <<-END
		daemon off; pid $dir/nginx.pid; error_log $dir/log; events {}
		http { access_log $dir/access.log; server { listen 20080; listen 20443 ssl; root /usr/share/nginx/html; index index.html;
		  ssl_certificate $dir/cert.pem; ssl_certificate_key $dir/key.pem; } }
	END
	names+=(nginx+tls) ports+=(20443/tcp)
	runs nginx -c "$dir/nginx.conf"
fi
if have redis 20379 tcp redis-server; then
	runs redis-server --port 20379 --save '' --dir "$dir" --tls-port 20380 --tls-cert-file "$dir/cert.pem" --tls-key-file "$dir/key.pem" --tls-auth-clients no --tls-ca-cert-file "$dir/cert.pem"
	names+=(redis+tls) ports+=(20380/tcp)
fi
pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
if have postgresql 20432 tcp "${pg:-/none}/postgres"; then
	mkdir "$dir/pg" && chown postgres "$dir/pg"
	runs setpriv --reuid postgres --regid postgres --clear-groups sh -c "$pg/initdb -D $dir/pg && exec $pg/postgres -D $dir/pg -p 20432 -k $dir/pg"
fi
if have mariadb 20306 tcp mariadbd; then
	mkdir "$dir/my" && chown mysql "$dir/my"
	runs sh -c "mariadb-install-db --no-defaults --user=mysql --datadir=$dir/my && exec mariadbd --no-defaults --user=mysql --datadir=$dir/my --port=20306 --socket=$dir/my/s --pid-file=$dir/my/p"
fi
if have vsftpd 20021 tcp vsftpd; then
	mkdir -p /run/vsftpd/empty
	printf 'listen=YES\nlisten_port=20021\nbackground=NO\nanonymous_enable=NO\nlocal_enable=YES\n' >"$dir/vsftpd.conf"
	runs vsftpd "$dir/vsftpd.conf"
fi
if have exim 20025 tcp exim4; then
	mount -t tmpfs none /var/spool/exim4 && mount -t tmpfs none /var/log/exim4 && chown Debian-exim /var/spool/exim4 /var/log/exim4
	printf 'tls_advertise_hosts=*\ntls_certificate=/var/spool/exim4/both.pem\ntls_on_connect_ports=20465\ndaemon_smtp_ports=20025:20465\nlocal_interfaces=127.0.0.1\nprimary_hostname=mx.invalid\n' >/var/spool/exim4/conf
	cp "$dir/both.pem" /var/spool/exim4/
	runs exim4 -bdf -oX 20025:20465 -C /var/spool/exim4/conf
	names+=(exim+tls) ports+=(20465/tcp)
fi
if have dovecot-imap 20143 tcp dovecot; then
	cat >"$dir/dovecot.conf" <<-END
		base_dir = /run/dovecot
		log_path = $dir/log
		protocols = imap pop3
		ssl = yes
		ssl_cert = <$dir/cert.pem
		ssl_key = <$dir/key.pem
		mail_location = maildir:$dir/mail
		passdb {
		  driver = static
		  args = nopassword=n
		}
		service imap-login {
		  inet_listener imap {
		    port = 20143
		  }
		  inet_listener imaps {
		    port = 20993
		    ssl = yes
		  }
		}
		service pop3-login {
		  inet_listener pop3 {
		    port = 20110
		  }
		  inet_listener pop3s {
		    port = 20995
		    ssl = yes
		  }
		}
	END
	names+=(dovecot-imaps dovecot-pop3 dovecot-pop3s) ports+=(20993/tcp 20110/tcp 20995/tcp)
	runs dovecot -F -c "$dir/dovecot.conf"
fi
if have mosquitto 20883 tcp mosquitto; then
	printf 'listener 20883\nlistener 20884\ncertfile %s/cert.pem\nkeyfile %s/key.pem\nallow_anonymous true\n' "$dir" "$dir" >"$dir/mosquitto.conf"
	names+=(mosquitto+tls) ports+=(20884/tcp)
	runs mosquitto -c "$dir/mosquitto.conf"
fi
if have memcached 20211 tcp memcached; then
	names+=(memcached-udp) ports+=(20211/udp)
	runs memcached -u nobody -p 20211 -U 20211 -l 127.0.0.1
fi
if have epmd 20369 tcp epmd; then runs epmd -port 20369; fi
if have rabbitmq 20672 tcp rabbitmq-server; then
	mkdir "$dir/rabbit" && chown rabbitmq "$dir/rabbit"
	runs env ERL_EPMD_PORT=20370 RABBITMQ_NODE_PORT=20672 RABBITMQ_DIST_PORT=20673 RABBITMQ_MNESIA_BASE="$dir/rabbit" RABBITMQ_LOG_BASE="$dir/rabbit" RABBITMQ_PID_FILE="$dir/rabbit/pid" HOME="$dir/rabbit" RABBITMQ_NODENAME=r@localhost setpriv --reuid rabbitmq --regid rabbitmq --clear-groups /usr/lib/rabbitmq/bin/rabbitmq-server
fi
if have samba 20445 tcp smbd; then
	mkdir -p "$dir/samba"
	printf '[global]\nsmb ports = 20445\nstate directory=%s/samba\ncache directory=%s/samba\nlock directory=%s/samba\nprivate dir=%s/samba\npid directory=%s/samba\nncalrpc dir=%s/samba\nlog file=%s/log\ndisable spoolss=yes\nload printers=no\n' "$dir" "$dir" "$dir" "$dir" "$dir" "$dir" "$dir" >"$dir/smb.conf"
	runs smbd -F --no-process-group -s "$dir/smb.conf"
fi
if have slapd 20389 tcp slapd; then
	mkdir "$dir/ldap"
	printf 'include /etc/ldap/schema/core.schema\npidfile %s/ldap/pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\nTLSCertificateFile %s/cert.pem\nTLSCertificateKeyFile %s/key.pem\ndatabase mdb\nsuffix dc=invalid\ndirectory %s/ldap\n' "$dir" "$dir" "$dir" "$dir" >"$dir/slapd.conf"
	names+=(slapd+tls) ports+=(20636/tcp)
	runs slapd -d 0 -f "$dir/slapd.conf" -h "ldap://127.0.0.1:20389 ldaps://127.0.0.1:20636"
fi
if have rsync 20873 tcp rsync; then
	printf 'use chroot = no\n[m]\npath=/usr/share/doc\n' >"$dir/rsyncd.conf"
	runs rsync --daemon --no-detach --port 20873 --config "$dir/rsyncd.conf" --address 127.0.0.1
fi
if have x11vnc 20900 tcp x11vnc; then
	rm -f /tmp/.X77-lock && mount -t tmpfs none /tmp/.X11-unix
	runs Xvfb :77 -screen 0 64x64x16 -listen tcp
	names+=(xvfb) ports+=(6077/tcp)
	runs sh -c 'sleep 2; exec x11vnc -display :77 -forever -shared -rfbport 20900 -nopw'
fi
if have tinyproxy 20888 tcp tinyproxy; then
	printf 'Port 20888\nListen 127.0.0.1\nTimeout 60\nUser nobody\nMaxClients 50\n' >"$dir/tinyproxy.conf"
	runs tinyproxy -d -c "$dir/tinyproxy.conf"
fi
if have bind 20053 tcp named; then
	printf 'options { directory "%s"; listen-on port 20053 { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; recursion no; session-keyfile none; };\ncontrols {};\n' "$dir" >"$dir/named.conf"
	names+=(bind-udp) ports+=(20053/udp)
	runs named -g -c "$dir/named.conf"
fi
if have snmpd 20161 udp snmpd; then
	printf 'agentaddress udp:127.0.0.1:20161\nrocommunity public\n' >"$dir/snmpd.conf"
	runs snmpd -f -C -c "$dir/snmpd.conf" -Lf "$dir/log" -p "$dir/snmpd.pid"
fi
if have chrony 20123 udp chronyd; then
	runs chronyd -d -x -u root -f /dev/null 'port 20123' 'allow all' 'local stratum 10' 'cmdport 0' 'bindaddress 127.0.0.1' "driftfile $dir/drift"
fi
if have tftpd 20069 udp in.tftpd; then runs in.tftpd -4 -L -a 127.0.0.1:20069 "$dir"; fi
if have rpcbind 111 tcp rpcbind; then
	names+=(rpcbind-udp) ports+=(111/udp)
	runs rpcbind -f -w
fi
if have beanstalkd 20300 tcp beanstalkd; then runs beanstalkd -l 127.0.0.1 -p 20300; fi
if have gpsd 20947 tcp gpsd; then runs gpsd -N -n -S 20947 -F "$dir/gpsd.sock"; fi
if have microsocks 20180 tcp microsocks; then runs microsocks -i 127.0.0.1 -p 20180; fi
if have git 20418 tcp git; then runs git daemon --port=20418 --base-path="$dir" --reuseaddr; fi
if have xrdp 20338 tcp xrdp; then runs xrdp --nodaemon --port 20338; fi
if have coturn 20347 udp turnserver; then
	names+=(coturn-tcp) ports+=(20347/tcp)
	runs turnserver -n -L 127.0.0.1 -p 20347 --no-cli --no-tls --no-dtls --log-file stdout --pidfile "$dir/turn.pid"
fi
if have openvpn 20194 udp openvpn; then
	runs openvpn --dev null --dev-type tun --tls-server --ca "$dir/cert.pem" --cert "$dir/cert.pem" --key "$dir/key.pem" --dh none --lport 20194 --local 127.0.0.1 --float
fi
if have krb5kdc 20088 udp krb5kdc; then
	names+=(krb5kdc-tcp) ports+=(20088/tcp)
	printf '[libdefaults]\ndefault_realm=T.INVALID\n[kdcdefaults]\nkdc_listen=127.0.0.1:20088\nkdc_tcp_listen=127.0.0.1:20088\n[realms]\nT.INVALID={\ndatabase_name=%s/kdb\nkey_stash_file=%s/stash\n}\n' "$dir" "$dir" >"$dir/krb5.conf"
	runs env KRB5_CONFIG="$dir/krb5.conf" KRB5_KDC_PROFILE="$dir/krb5.conf" sh -c 'kdb5_util create -s -P x && exec krb5kdc -n'
fi
if have prosody 20222 tcp prosody; then
	printf 'pidfile="%s/prosody.pid"\ndata_path="%s"\nrun_as_root=true\ninterfaces={"127.0.0.1"}\nc2s_ports={20222}\ns2s_ports={20269}\nlog={info="%s/log"}\nVirtualHost "localhost"\n' "$dir" "$dir" "$dir" >"$dir/prosody.lua"
	names+=(prosody-s2s) ports+=(20269/tcp)
	runs prosody -F --config "$dir/prosody.lua"
fi
if have ngircd 20667 tcp ngircd; then
	printf '[Global]\nName=irc.invalid\nInfo=x\nPorts=20667\nListen=127.0.0.1\n[Options]\nIdent=no\nPAM=no\nDNS=no\n' >"$dir/ngircd.conf"
	runs ngircd -n -f "$dir/ngircd.conf"
fi
if have echo 20007 tcp xinetd; then
	for i in echo:20007 discard:20009 daytime:20013 chargen:20019 time:20037; do
		printf 'service %s\n{\ntype=INTERNAL UNLISTED\nid=%s\nsocket_type=stream\nprotocol=tcp\nwait=no\nuser=root\nport=%d\nbind=127.0.0.1\n}\n' "${i%:*}" "${i%:*}" "${i#*:}"
	done >"$dir/xinetd.conf"
	if have telnetd 20024 tcp telnetd; then
		printf 'service telnet\n{\ntype=UNLISTED\nsocket_type=stream\nprotocol=tcp\nwait=no\nuser=root\nport=20024\nserver=%s\n}\n' "$(command -v telnetd)" >>"$dir/xinetd.conf"
	fi
	names+=(discard daytime chargen time) ports+=(20009/tcp 20013/tcp 20019/tcp 20037/tcp)
	sed -i 's/=/ = /' "$dir/xinetd.conf"
	runs xinetd -dontfork -f "$dir/xinetd.conf" -pidfile "$dir/xinetd.pid" -filelog "$dir/log"
fi
if have etcd 20237 tcp etcd; then
	runs etcd --data-dir "$dir/etcd" --listen-client-urls http://127.0.0.1:20237 --advertise-client-urls http://127.0.0.1:20237 --listen-peer-urls http://127.0.0.1:20238
fi
if have cups 20631 tcp cupsd; then
	printf 'Listen 127.0.0.1:20631\nErrorLog %s/log\nAccessLog %s/log\nDefaultAuthType None\n' "$dir" "$dir" >"$dir/cupsd.conf"
	runs cupsd -f -c "$dir/cupsd.conf"
fi
if have squid 20312 tcp squid; then
	mount -t tmpfs none /var/log/squid && mount -t tmpfs none /var/spool/squid && chown proxy /var/log/squid /var/spool/squid
	printf 'http_port 127.0.0.1:20312\npid_filename none\ncache deny all\n' >"$dir/squid.conf"
	runs squid -N -f "$dir/squid.conf"
fi
if have node_exporter 20910 tcp prometheus-node-exporter; then runs prometheus-node-exporter --web.listen-address=127.0.0.1:20910; fi
if have mpd 20660 tcp mpd; then
	mkdir "$dir/mpd"
	printf 'port "20660"\nbind_to_address "127.0.0.1"\nmusic_directory "%s/mpd"\ndb_file "%s/mpd/db"\n' "$dir" "$dir" >"$dir/mpd.conf"
	runs mpd --no-daemon "$dir/mpd.conf"
fi
if have svn 20690 tcp svnserve; then runs svnserve -d --foreground --listen-host 127.0.0.1 --listen-port 20690 -r "$dir"; fi
if have bird 20179 tcp bird; then
	printf 'router id 192.0.2.1;\nprotocol device {}\nprotocol bgp { ipv4 { import none; export none; }; local 127.0.0.1 port 20179 as 65000; neighbor 127.0.0.1 as 65001; passive; multihop; }\n' >"$dir/bird.conf"
	runs bird -f -c "$dir/bird.conf" -s "$dir/bird.ctl"
fi
coap=$(compgen -c coap-server | head -1)
if have coap 20568 udp "${coap:-coap-server}"; then runs "$coap" -A 127.0.0.1 -p 20568; fi
if have kamailio 20506 udp kamailio; then
	names+=(kamailio-tcp) ports+=(20506/tcp)
	printf '#!KAMAILIO\nchildren=1\ntcp_children=1\nlisten=udp:127.0.0.1:20506\nlisten=tcp:127.0.0.1:20506\nloadmodule "sl.so"\nloadmodule "tm.so"\nrequest_route { sl_send_reply("200","OK"); }\n' >"$dir/kamailio.cfg"
	runs kamailio -DD -E -f "$dir/kamailio.cfg" -Y "$dir" -w "$dir"
fi
if have dtls 20433 udp openssl; then runs openssl s_server -quiet -dtls -listen -port 20433 -cert "$dir/cert.pem" -key "$dir/key.pem"; fi
if have zookeeper 20218 tcp java && [ -d /usr/share/zookeeper ]; then
	printf 'dataDir=%s/zk\nclientPort=20218\nadmin.enableServer=false\n' "$dir" >"$dir/zoo.cfg"
	runs java -Xmx128m -cp "/etc/zookeeper/conf:/usr/share/java/*" org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/zoo.cfg"
fi
# Servers that were added later.
. "$here/servers_more.sh"
. "$here/servers_other.sh"

# Wait until every TCP port accepts, half a minute at most.
for _ in $(seq 60); do
	missing=0
	for p in "${ports[@]}"; do
		case $p in */tcp) [ -n "$(ss -Hltn "sport = ${p%/*}")" ] || missing=$((missing + 1)) ;; esac
	done
	[ $missing = 0 ] && break
	sleep 0.5
done
sleep 1

[ -n "${DEBUG-}" ] && dir=$dir servers=$(paste -d= <(printf '%s\n' "${names[@]}") <(printf '%s\n' "${ports[@]}")) bash -s <&0 >&3 2>&3
if [ -n "${RAW-}" ]; then
	for i in "${!names[@]}"; do
		printf '%s ' "${names[$i]}"
		"$onmux" probe "127.0.0.1:${ports[$i]}" -o jsonl | grep '"type":"endpoint"'
	done
	exit
fi
[ -n "${NMAP-nmap}" ] && command -v nmap >/dev/null && nmap=nmap || nmap=

# The kernel counts SYNs and datagrams to each port.
nft add table inet count && nft add chain inet count out '{ type filter hook output priority 0; }'
for port in "${ports[@]}"; do
	case $port in
	*/udp) nft add rule inet count out udp dport "${port%/*}" counter ;;
	*) nft add rule inet count out tcp dport "${port%/*}" tcp flags '& (syn|ack) == syn' counter ;;
	esac
done
# count PORT/PROTO: how many there were.
count() { nft list chain inet count out | awk -v rule="${1#*/} dport ${1%/*} " 'index($0, rule) {for (i = 1; i < NF; i++) if ($i == "packets") print $(i+1)}' | tail -1; }
# lines: of all logs. Messages to syslog have a priority, and not all an end of line.
lines() {
	{
		find "$dir" /var/log/exim4 /var/log/squid -type f -name '*log' ! -name syslog 2>/dev/null | xargs -r cat
		[ -e "$dir/syslog" ] && grep -ao '<[0-9]*>[A-Z]' "$dir/syslog"
	} | wc -l
}
# settled: the number of lines when it has stopped growing.
settled() {
	local before=-1 now
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		now=$(lines)
		[ "$now" = "$before" ] && break
		before=$now
		sleep 0.3
	done
	echo "$now"
}
# usual NAME: the port that the server is known for, if there is one.
usual() {
	case $1 in
	ssh | dropbear) echo 22 ;; nginx | apache | lighttpd | haproxy | varnish | caddy | h2o) echo 80 ;;
	nginx+tls | apache+tls | nghttpx+tls | hitch | h2o+tls) echo 443 ;; redis) echo 6379 ;; postgresql | pgpool) echo 5432 ;;
	pgbouncer) echo 6432 ;; mariadb) echo 3306 ;; vsftpd | proftpd | pure-ftpd) echo 21 ;; exim | postfix | postscreen) echo 25 ;;
	exim+tls) echo 465 ;; dovecot-imap) echo 143 ;; dovecot-imaps) echo 993 ;; dovecot-pop3) echo 110 ;;
	dovecot-pop3s) echo 995 ;; mosquitto) echo 1883 ;; mosquitto+tls) echo 8883 ;; memcached*) echo 11211 ;; epmd) echo 4369 ;;
	rabbitmq) echo 5672 ;; samba) echo 445 ;; slapd) echo 389 ;; slapd+tls) echo 636 ;; rsync) echo 873 ;;
	x11vnc | tigervnc) echo 5900 ;; xvfb) echo 6000 ;; tinyproxy | squid | privoxy) echo 3128 ;; snmpd) echo 161 ;;
	bind* | pdns | pdns-tcp | pdns-recursor | dnsdist | dnsdist-tcp | unbound* | nsd* | knot* | dnsmasq* | gdnsd | tor-dns) echo 53 ;;
	chrony) echo 123 ;; tftpd | atftpd) echo 69 ;; beanstalkd) echo 11300 ;; gpsd) echo 2947 ;;
	microsocks | danted | i2pd-socks) echo 1080 ;; tor-socks) echo 9050 ;; tor-control) echo 9051 ;; git) echo 9418 ;;
	xrdp) echo 3389 ;; coturn*) echo 3478 ;; openvpn) echo 1194 ;; krb5kdc*) echo 88 ;; prosody | ejabberd) echo 5222 ;;
	prosody-s2s) echo 5269 ;; ngircd | inspircd | bitlbee) echo 6667 ;; echo*) echo 7 ;; telnetd | busybox-telnetd) echo 23 ;;
	discard) echo 9 ;; daytime*) echo 13 ;; chargen*) echo 19 ;; time*) echo 37 ;; etcd) echo 2379 ;; cups) echo 631 ;;
	node_exporter) echo 9100 ;; mpd) echo 6600 ;; svn) echo 3690 ;; bird) echo 179 ;; coap) echo 5683 ;; kamailio*) echo 5060 ;;
	dtls) echo 4433 ;; zookeeper) echo 2181 ;; varnish-cli) echo 6082 ;; dnsdist-console) echo 5199 ;; icecast) echo 8000 ;;
	munin-node) echo 4949 ;; tarantool*) echo 3301 ;; gearmand) echo 4730 ;; murmur) echo 64738 ;; dovecot-lmtp) echo 24 ;;
	dovecot-sieve) echo 4190 ;; influxdb) echo 8086 ;; prometheus) echo 9090 ;; minidlna) echo 8200 ;; transmission) echo 9091 ;;
	aria2) echo 6800 ;; distccd) echo 3632 ;; clamd) echo 3310 ;; rspamd) echo 11334 ;; python-http) echo 8000 ;; monit) echo 2812 ;;
	zabbix-agent) echo 10050 ;; nrpe) echo 5666 ;; nbd) echo 10809 ;; apt-cacher-ng) echo 3142 ;; quassel) echo 4242 ;;
	spamd) echo 783 ;; tgt) echo 3260 ;; dictd) echo 2628 ;; oidentd) echo 113 ;; nats) echo 4222 ;; upsd) echo 3493 ;;
	docker-registry) echo 5000 ;; syncthing) echo 8384 ;; syncthing-bep) echo 22000 ;; lcdd) echo 13666 ;; pulseaudio) echo 4713 ;;
	snapserver) echo 1704 ;; snapserver-control) echo 1705 ;; firebird) echo 3050 ;; tac_plus) echo 49 ;; nsca) echo 5667 ;;
	gmond) echo 8649 ;; cfengine) echo 5308 ;; bacula-fd) echo 9102 ;; i2pd-sam) echo 7656 ;; i2pd-bob) echo 2827 ;;
	i2pd-i2cp) echo 7654 ;; qnetd) echo 5403 ;; bzfs) echo 5154 ;; freeciv) echo 5556 ;; fingerd) echo 79 ;; vdr) echo 6419 ;;
	carbon) echo 2003 ;; radius) echo 1812 ;; cockpit) echo 9090 ;; innd) echo 119 ;; collectd) echo 25826 ;; ntpd) echo 123 ;;
	esac
}
# direct NAME PORT/PROTO: the port to be asked, with OWN=1 that which the server is known for, which leads to it.
direct() {
	local own
	own=$([ -n "${OWN-}" ] && usual "$1")
	asked=${own:-${2%/*}}/${2#*/}
	nft flush chain ip own out
	[ -z "$own" ] || nft add rule ip own out "${2#*/}" dport "$own" redirect to ":${2%/*}"
}
nft add table ip own && nft add chain ip own out '{ type nat hook output priority -100; }'
# measure PORT/PROTO COMMAND...: milliseconds, connections, lines; and the name in $name.
measure() {
	local port=$1 a b c l
	shift
	l=$(settled) c=$(count "$port") a=$(date +%s%N)
	name=$("$@")
	b=$(date +%s%N)
	l=$(($(settled) - l))
	cells=("$(((b - a) / 1000000))" "$(($(count "$port") - c))" "$((l > 0 ? l : 0))") # a log may be replaced
}
ask_onmux() {
	"$onmux" probe "127.0.0.1:$1" --color never | head -1 | awk -F '  +' '{
		for (i = ($4 ~ /^[0-9.]+ [^ ]*s$/ ? 5 : 4); i <= NF; i++) printf "%s  ", $i }' | cut -c1-48
}
ask_nmap() {
	case $1 in */udp) how=-sU ;; *) how=-sT ;; esac
	nmap -n -Pn $how -sV -p "${1%/*}" 127.0.0.1 2>/dev/null | grep -E '^[0-9]+/' | tr -s ' ' | cut -d' ' -f2- | cut -c1-48
}
format='%-18s %6s %5s %5s  %-48s'
printf "$format" server ms conns lines onmux
[ -n "$nmap" ] && printf ' %6s %5s %5s  %s' ms conns lines "nmap -sV"
echo
for i in "${!names[@]}"; do
	direct "${names[$i]}" "${ports[$i]}"
	measure "${ports[$i]}" ask_onmux "$asked"
	printf "$format" "${names[$i]}" "${cells[@]}" "${name:-(did not start)}"
	printf '%s\n' "${cells[*]}" >>"$dir/onmux.cells"
	if [ -n "$nmap" ]; then
		measure "${ports[$i]}" ask_nmap "$asked"
		printf ' %6d %5d %5d  %s' "${cells[@]}" "$name"
		printf '%s\n' "${cells[*]}" >>"$dir/nmap.cells"
	fi
	echo
done
# median COLUMN FILE
median() { cut -d' ' -f"$1" "$2" | sort -n | awk '{v[NR] = $1; sum += $1} END {printf "median %d, most %d, sum %d", v[int((NR + 1) / 2)], v[NR], sum}'; }
for who in onmux $nmap; do
	printf '%s, %d servers: ms %s; connections %s; lines %s\n' "$who" "${#names[@]}" "$(median 1 "$dir/$who.cells")" "$(median 2 "$dir/$who.cells")" "$(median 3 "$dir/$who.cells")"
done
