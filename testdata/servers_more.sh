# More servers, sourced by servers.sh: functions and variables are those of that script.
# Each section starts one program, on ports from 21001 on.

# In front of nginx on 20080.
if have apache 21001 tcp apache2; then
	names+=(apache+tls) ports+=(21002/tcp)
	mods=/usr/lib/apache2/modules
	cat >"$dir/apache.conf" <<-END
		ServerRoot $dir
		ServerName web.invalid
		PidFile $dir/apache.pid
		ErrorLog $dir/log
		LoadModule mpm_event_module $mods/mod_mpm_event.so
		LoadModule authz_core_module $mods/mod_authz_core.so
		LoadModule ssl_module $mods/mod_ssl.so
		LoadModule http2_module $mods/mod_http2.so
		DocumentRoot $dir
		Listen 127.0.0.1:21001
		Listen 127.0.0.1:21002 https
		Protocols h2 http/1.1
		<VirtualHost 127.0.0.1:21002>
		SSLEngine on
		SSLCertificateFile $dir/cert.pem
		SSLCertificateKeyFile $dir/key.pem
		</VirtualHost>
	END
	runs apache2 -D FOREGROUND -f "$dir/apache.conf"
fi
if have lighttpd 21003 tcp lighttpd; then
	printf 'server.document-root="%s"\nserver.port=21003\nserver.bind="127.0.0.1"\n' "$dir" >"$dir/lighttpd.conf"
	runs lighttpd -D -f "$dir/lighttpd.conf"
fi
if have haproxy 21004 tcp haproxy; then
	names+=(haproxy-stats) ports+=(21005/tcp)
	printf 'defaults\nmode http\ntimeout client 30s\ntimeout server 30s\ntimeout connect 5s\nfrontend a\nbind 127.0.0.1:21004\ndefault_backend b\nbackend b\nserver n 127.0.0.1:20080\nfrontend s\nbind 127.0.0.1:21005\nstats enable\nstats uri /\n' >"$dir/haproxy.cfg"
	runs haproxy -db -f "$dir/haproxy.cfg"
fi
if have varnish 21006 tcp varnishd; then
	names+=(varnish-cli) ports+=(21007/tcp)
	mkdir "$dir/varnish" && chmod 777 "$dir/varnish"
	head -c 256 /dev/urandom | base64 >"$dir/varnish.secret"
	runs varnishd -F -j none -n "$dir/varnish" -a 127.0.0.1:21006 -b 127.0.0.1:20080 -T 127.0.0.1:21007 -S "$dir/varnish.secret"
fi
if have squid-reverse 21008 tcp squid; then
	mkdir -p /var/log/squid /var/spool/squid
	mountpoint -q /var/log/squid || { mount -t tmpfs none /var/log/squid && mount -t tmpfs none /var/spool/squid && chown proxy /var/log/squid /var/spool/squid; }
	printf 'http_port 127.0.0.1:21008 accel defaultsite=web.invalid no-vhost\ncache_peer 127.0.0.1 parent 20080 0 no-query originserver\nhttp_access allow all\npid_filename none\ncache deny all\n' >"$dir/squid-r.conf"
	runs squid -N -n reverse -f "$dir/squid-r.conf"
fi
if have tor-socks 21009 tcp tor; then
	names+=(tor-control tor-http tor-dns) ports+=(21010/tcp 21011/tcp 21012/udp)
	printf 'SocksPort 127.0.0.1:21009\nControlPort 127.0.0.1:21010\nHTTPTunnelPort 127.0.0.1:21011\nDNSPort 127.0.0.1:21012\nDataDirectory %s/tor\nDisableNetwork 0\nCookieAuthentication 1\n' "$dir" >"$dir/torrc"
	mkdir -m 700 "$dir/tor"
	runs tor -f "$dir/torrc" --defaults-torrc /dev/null
fi
if have privoxy 21013 tcp privoxy; then
	printf 'listen-address 127.0.0.1:21013\nconfdir /etc/privoxy\nlogdir %s\n' "$dir" >"$dir/privoxy.conf"
	runs privoxy --no-daemon "$dir/privoxy.conf"
fi
if have pgbouncer 21014 tcp pgbouncer; then
	printf '[databases]\n* = host=127.0.0.1 port=20432\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=21014\nauth_type=trust\nauth_file=%s/users\nunix_socket_dir=\n' "$dir" >"$dir/pgbouncer.ini"
	touch "$dir/users" && chmod 644 "$dir/users" "$dir/pgbouncer.ini"
	runs setpriv --reuid postgres --regid postgres --clear-groups pgbouncer "$dir/pgbouncer.ini"
fi
if have pgpool 21015 tcp pgpool; then
	printf "listen_addresses='127.0.0.1'\nport=21015\npcp_port=21016\nsocket_dir='%s'\npcp_socket_dir='%s'\npid_file_name='%s/pgpool.pid'\nlogdir='%s'\nbackend_hostname0='127.0.0.1'\nbackend_port0=20432\nbackend_weight0=1\nbackend_clustering_mode='raw'\nenable_pool_hba=off\nhealth_check_period=0\n" "$dir" "$dir" "$dir" "$dir" >"$dir/pgpool.conf"
	touch "$dir/pool_hba.conf" "$dir/pcp.conf"
	runs pgpool -n -f "$dir/pgpool.conf" -a "$dir/pool_hba.conf" -F "$dir/pcp.conf"
fi
if have pdns 21017 udp pdns_server; then
	names+=(pdns-tcp pdns-web) ports+=(21017/tcp 21018/tcp)
	rm -f "$dir/pdns.conf"; printf 'launch=bind\nbind-config=%s/pdns.zones\nlocal-address=127.0.0.1\nlocal-port=21017\nwebserver=yes\nwebserver-address=127.0.0.1\nwebserver-port=21018\nwebserver-allow-from=0.0.0.0/0\napi=yes\napi-key=x\nsocket-dir=%s\nguardian=no\ndaemon=no\n' "$dir" "$dir" >"$dir/pdns.conf"
	: >"$dir/pdns.zones"
	runs pdns_server --config-dir="$dir"
fi
if have pdns-recursor 21019 udp pdns_recursor; then
	names+=(pdns-recursor-web) ports+=(21020/tcp)
	mkdir "$dir/rec"
	printf 'local-address=127.0.0.1\nlocal-port=21019\nwebserver=yes\nwebserver-address=127.0.0.1\nwebserver-port=21020\nwebserver-allow-from=0.0.0.0/0\nsocket-dir=%s/rec\ndaemon=no\n' "$dir" >"$dir/rec/recursor.conf"
	runs pdns_recursor --config-dir="$dir/rec"
fi
if have dnsdist 21021 udp dnsdist; then
	names+=(dnsdist-tcp dnsdist-web dnsdist-console) ports+=(21021/tcp 21022/tcp 21023/tcp)
	printf 'setLocal("127.0.0.1:21021")\nnewServer("127.0.0.1:20053")\nwebserver("127.0.0.1:21022")\nsetWebserverConfig({password="x",acl="127.0.0.0/8"})\nsetKey("MXNeLFWHUe4363BBKrY06cAsH8NWNb+Se2eXU5+Bb74=")\ncontrolSocket("127.0.0.1:21023")\n' >"$dir/dnsdist.conf"
	runs dnsdist --supervised -C "$dir/dnsdist.conf"
fi
if have unbound 21024 udp unbound; then
	names+=(unbound-tcp) ports+=(21024/tcp)
	printf 'server:\n interface: 127.0.0.1@21024\n do-daemonize: no\n chroot: ""\n username: ""\n directory: "%s"\n pidfile: "%s/unbound.pid"\n access-control: 127.0.0.0/8 allow\n' "$dir" "$dir" >"$dir/unbound.conf"
	runs unbound -d -c "$dir/unbound.conf"
fi
if have nsd 21025 udp nsd; then
	names+=(nsd-tcp) ports+=(21025/tcp)
	printf 'server:\n ip-address: 127.0.0.1@21025\n username: ""\n chroot: ""\n zonesdir: "%s"\n database: ""\n pidfile: "%s/nsd.pid"\n xfrdfile: "%s/xfrd"\n xfrdir: "%s"\n zonelistfile: "%s/nsd.zones"\nremote-control:\n control-enable: no\n' "$dir" "$dir" "$dir" "$dir" "$dir" >"$dir/nsd.conf"
	runs nsd -d -c "$dir/nsd.conf"
fi
if have knot 21026 udp knotd; then
	names+=(knot-tcp) ports+=(21026/tcp)
	mkdir "$dir/knot"
	printf 'server:\n  listen: 127.0.0.1@21026\n  rundir: %s/knot\ndatabase:\n  storage: %s/knot\n' "$dir" "$dir" >"$dir/knot.conf"
	runs knotd -c "$dir/knot.conf"
fi
if have icecast 21027 tcp icecast2; then
	mkdir "$dir/icecast" && chmod 777 "$dir/icecast"
	printf '<icecast><limits><clients>10</clients></limits><authentication><source-password>x</source-password><admin-user>a</admin-user><admin-password>x</admin-password></authentication><hostname>localhost</hostname><listen-socket><port>21027</port><bind-address>127.0.0.1</bind-address></listen-socket><paths><logdir>%s/icecast</logdir><webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot></paths><security><changeowner><user>nobody</user><group>nogroup</group></changeowner></security></icecast>' "$dir" >"$dir/icecast.xml"
	runs icecast2 -c "$dir/icecast.xml"
fi
if have znc 21028 tcp znc; then
	mkdir -p "$dir/znc/configs"
	printf 'Version = 1.8.2\nLoadModule = webadmin\n<Listener l>\n\tAllowIRC = true\n\tAllowWeb = true\n\tHost = 127.0.0.1\n\tPort = 21028\n\tSSL = false\n\tIPv4 = true\n\tIPv6 = false\n</Listener>\n<User a>\n\tPass = plain#x\n\tAdmin = true\n</User>\n' >"$dir/znc/configs/znc.conf"
	runs znc --foreground --allow-root --datadir "$dir/znc"
fi
if have inspircd 21029 tcp inspircd; then
	printf '<server name="irc.invalid" description="x" network="x" id="1AA"><admin name="x" email="x" nick="x"><bind address="127.0.0.1" port="21029" type="clients"><connect allow="*" resolvehostnames="no" useident="no"><pid file="%s/inspircd.pid"><log method="file" target="%s/log">' "$dir" "$dir" >"$dir/inspircd.conf"
	runs inspircd --nofork --runasroot --config="$dir/inspircd.conf"
fi
if have munin-node 21030 tcp munin-node; then
	mkdir "$dir/munin"
	printf 'log_level 4\nlog_file %s/log\npid_file %s/munin.pid\nbackground 0\nsetsid 0\nuser root\ngroup root\nhost_name host.invalid\nallow ^.*$\nhost 127.0.0.1\nport 21030\n' "$dir" "$dir" >"$dir/munin.conf"
	runs munin-node --config "$dir/munin.conf"
fi
if have tarantool 21031 tcp tarantool; then
	names+=(tarantool-console) ports+=(21032/tcp)
	printf "box.cfg{listen='127.0.0.1:21031', work_dir='%s', wal_mode='none'}\nrequire('console').listen('127.0.0.1:21032')\nrequire('fiber').sleep(1e9)\n" "$dir" >"$dir/t.lua"
	runs tarantool "$dir/t.lua"
fi
if have gearmand 21033 tcp gearmand; then runs gearmand -L 127.0.0.1 -p 21033 -l stderr; fi
if have murmur 21036 tcp murmurd; then
	mkdir -m 777 "$dir/murmur"
	printf 'database=%s/murmur/db\nport=21036\nhost=127.0.0.1\nbonjour=false\nautobanTimeframe=%s\n' "$dir" "${MURMUR_TIMEFRAME:-120}" >"$dir/murmur.ini"
	runs murmurd -fg -ini "$dir/murmur.ini"
fi
if have tigervnc 21037 tcp Xtigervnc; then
	printf 'secret' | vncpasswd -f >"$dir/vncpasswd" 2>/dev/null
	runs Xtigervnc :78 -interface 127.0.0.1 -rfbport 21037 -rfbauth "$dir/vncpasswd" -SecurityTypes VncAuth
fi
if have postfix 21038 tcp postfix; then
	names+=(postscreen) ports+=(21039/tcp)
	mount -t tmpfs none /var/spool/postfix && mount -t tmpfs none /var/lib/postfix && chown postfix /var/lib/postfix
	cp -a /etc/postfix "$dir/postfix"
	cat >"$dir/postfix/main.cf" <<-END
		compatibility_level=3.6
		myhostname=mx.invalid
		inet_interfaces=127.0.0.1
		smtpd_tls_cert_file=$dir/cert.pem
		smtpd_tls_key_file=$dir/key.pem
		smtpd_tls_security_level=may
		mynetworks=203.0.113.0/24
		maillog_file_prefixes=$dir
		maillog_file=$dir/postfix.log
		postscreen_greet_action=enforce
		config_directory=$dir/postfix
	END
	cat >"$dir/postfix/master.cf" <<-END
		21038 inet n - n - - smtpd
		21039 inet n - n - 1 postscreen
		smtpd pass - - n - - smtpd
		dnsblog unix - - n - 0 dnsblog
		tlsproxy unix - - n - 0 tlsproxy
		tlsmgr unix - - n 1000? 1 tlsmgr
		anvil unix - - n - 1 anvil
		proxymap unix - - n - - proxymap
		rewrite unix - - n - - trivial-rewrite
		postlog unix-dgram n - n - 1 postlogd
		cleanup unix n - n - 0 cleanup
		qmgr unix n - n 300 1 qmgr
	END
	runs postfix -c "$dir/postfix" start-fg
fi
if have dovecot-lmtp 21040 tcp dovecot && [ -e /usr/lib/dovecot/lmtp ]; then
	names+=(dovecot-sieve) ports+=(21041/tcp)
	mkdir "$dir/dovecot2"
	cat >"$dir/dovecot2.conf" <<-END
		base_dir = $dir/dovecot2
		log_path = $dir/log
		protocols = lmtp sieve
		ssl = no
		mail_location = maildir:$dir/mail
		passdb {
		  driver = static
		  args = nopassword=n
		}
		service lmtp {
		  inet_listener lmtp {
		    port = 21040
		  }
		}
		service managesieve-login {
		  inet_listener sieve {
		    port = 21041
		  }
		}
	END
	runs dovecot -F -c "$dir/dovecot2.conf"
fi
if have proftpd 21042 tcp proftpd; then
	printf 'ServerType standalone\nPort 21042\nDefaultAddress 127.0.0.1\nUser nobody\nGroup nogroup\nPidFile %s/proftpd.pid\nScoreboardFile %s/proftpd.score\nSystemLog %s/log\nUseReverseDNS off\n' "$dir" "$dir" "$dir" >"$dir/proftpd.conf"
	runs proftpd -n -c "$dir/proftpd.conf"
fi
if have pure-ftpd 21043 tcp pure-ftpd; then runs pure-ftpd -S 127.0.0.1,21043 -H; fi
if have influxdb 21044 tcp influxd; then
	printf 'reporting-disabled=true\nbind-address="127.0.0.1:21045"\n[meta]\ndir="%s/influx/meta"\n[data]\ndir="%s/influx/data"\nwal-dir="%s/influx/wal"\n[http]\nbind-address="127.0.0.1:21044"\n' "$dir" "$dir" "$dir" >"$dir/influx.conf"
	runs influxd -config "$dir/influx.conf"
fi
if have prometheus 21046 tcp prometheus; then
	printf 'global: {}\n' >"$dir/prometheus.yml"
	runs prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/prom" --web.listen-address=127.0.0.1:21046
fi
if have dropbear 21047 tcp dropbear; then
	dropbearkey -t ed25519 -f "$dir/dropbear.key" >/dev/null
	runs dropbear -F -E -p 127.0.0.1:21047 -r "$dir/dropbear.key"
fi
if have danted 21048 tcp danted; then
	printf 'logoutput: %s/log\ninternal: 127.0.0.1 port = 21048\nexternal: 127.0.0.1\nsocksmethod: none\nclientmethod: none\nclient pass { from: 0/0 to: 0/0 }\nsocks pass { from: 0/0 to: 0/0 }\n' "$dir" >"$dir/danted.conf"
	runs danted -f "$dir/danted.conf"
fi
if have minidlna 21049 tcp minidlnad; then
	mkdir "$dir/dlna"
	printf 'media_dir=%s/dlna\ndb_dir=%s/dlna\nlog_dir=%s/dlna\nport=21049\n' "$dir" "$dir" "$dir" >"$dir/minidlna.conf"
	runs minidlnad -S -f "$dir/minidlna.conf" -P "$dir/minidlna.pid"
fi
if have transmission 21050 tcp transmission-daemon; then runs transmission-daemon -f -g "$dir/transmission" -p 21050 -r 127.0.0.1 -P 21051 --no-portmap --no-dht --no-lpd -T; fi
if have aria2 21052 tcp aria2c; then runs aria2c --enable-rpc --rpc-listen-port=21052 --no-conf; fi
if have dnsmasq 21053 udp dnsmasq; then
	names+=(dnsmasq-tcp) ports+=(21053/tcp)
	runs dnsmasq -k -C /dev/null -p 21053 -a 127.0.0.1 --bind-interfaces -R -h --pid-file="$dir/dnsmasq.pid" -u root
fi
if have distccd 21054 tcp distccd; then runs distccd --no-detach --daemon --port 21054 --listen 127.0.0.1 --allow 127.0.0.0/8 --user nobody; fi
if have clamd 21055 tcp clamd; then
	mkdir "$dir/clam"
	printf 'TCPSocket 21055\nTCPAddr 127.0.0.1\nForeground yes\nDatabaseDirectory %s/clam\nUser root\n' "$dir" >"$dir/clamd.conf"
	printf 'onmux:0:*:6f6e6d75782d746573742d7369676e6174757265\n' >"$dir/clam/x.ndb"
	runs clamd -c "$dir/clamd.conf"
fi
if have rspamd 21056 tcp rspamd; then
	names+=(rspamd-proxy) ports+=(21057/tcp)
	mkdir "$dir/rspamd" && chmod 777 "$dir/rspamd"
	printf 'options { pidfile = "%s/rspamd.pid"; tempdir = "%s/rspamd"; dns { nameserver = ["127.0.0.1"]; } }\nlogging { type = "console"; }\nworker { type = "controller"; bind_socket = "127.0.0.1:21056"; password = "x"; }\nworker { type = "normal"; bind_socket = "127.0.0.1:21057"; }\n' "$dir" "$dir" >"$dir/rspamd.conf"
	runs rspamd -f -i -c "$dir/rspamd.conf" -u _rspamd -g _rspamd
fi
if have gunicorn 21058 tcp gunicorn; then
	printf 'def app(e, s):\n    s("200 OK", [("Content-Type", "text/plain")])\n    return [b"hello"]\n' >"$dir/hello.py"
	runs gunicorn -b 127.0.0.1:21058 hello:app
fi
if have python-http 21059 tcp python3; then runs python3 -m http.server -b 127.0.0.1 21059; fi
if have webfs 21060 tcp webfsd; then runs webfsd -F -p 21060 -i 127.0.0.1 -r "$dir"; fi
if have mini-httpd 21061 tcp mini_httpd; then runs mini_httpd -D -p 21061 -h 127.0.0.1 -d "$dir" -i "$dir/mini.pid"; fi
if have nghttpx 21062 tcp nghttpx; then
	names+=(nghttpx+tls) ports+=(21063/tcp)
	printf 'frontend=127.0.0.1,21062;no-tls\nfrontend=127.0.0.1,21063\nbackend=127.0.0.1,20080\nprivate-key-file=%s/key.pem\ncertificate-file=%s/cert.pem\nno-ocsp=yes\n' "$dir" "$dir" >"$dir/nghttpx.conf"
	runs nghttpx --conf="$dir/nghttpx.conf"
fi
if have hitch 21064 tcp hitch; then runs hitch -f '[127.0.0.1]:21064' -b '[127.0.0.1]:20080' --user=nobody "$dir/both.pem"; fi
if have monit 21065 tcp monit; then
	printf 'set daemon 60\nset httpd port 21065 and use address 127.0.0.1 allow 127.0.0.1\n' >"$dir/monitrc" && chmod 600 "$dir/monitrc"
	runs monit -I -c "$dir/monitrc" -p "$dir/monit.pid" -s "$dir/monit.state"
fi
if have zabbix-agent 21067 tcp zabbix_agentd; then
	printf 'Server=127.0.0.1\nListenIP=127.0.0.1\nListenPort=21067\nLogType=console\nAllowRoot=1\nPidFile=%s/zbx.pid\n' "$dir" >"$dir/zabbix.conf"
	runs zabbix_agentd -f -c "$dir/zabbix.conf"
fi
if have nrpe 21068 tcp nrpe; then
	printf 'server_port=21068\nserver_address=127.0.0.1\nnrpe_user=nobody\nnrpe_group=nogroup\nallowed_hosts=127.0.0.1\npid_file=%s/nrpe.pid\n' "$dir" >"$dir/nrpe.cfg"
	runs nrpe -c "$dir/nrpe.cfg" -f
fi
if have bitlbee 21069 tcp bitlbee; then runs bitlbee -D -n -i 127.0.0.1 -p 21069 -c /dev/null -d "$dir" -u root; fi
if have nbd 21070 tcp nbd-server; then
	truncate -s 1M "$dir/disk"
	printf '[generic]
port=21070
listenaddr=127.0.0.1
[d]
exportname=%s/disk
' "$dir" >"$dir/nbd.conf"
	runs nbd-server -d -C "$dir/nbd.conf"
fi
if have gdnsd 21071 udp gdnsd; then
	mkdir -p "$dir/gdnsd/zones"
	printf 'options => { listen => 127.0.0.1:21071, run_dir => %s/gdnsd, state_dir => %s/gdnsd }\n' "$dir" "$dir" >"$dir/gdnsd/config"
	runs gdnsd -c "$dir/gdnsd" start
fi
if have apt-cacher-ng 21073 tcp apt-cacher-ng; then
	mkdir "$dir/acng"
	runs apt-cacher-ng ForeGround=1 Port=21073 BindAddress=127.0.0.1 CacheDir="$dir/acng" LogDir="$dir/acng"
fi
if have quassel 21074 tcp quasselcore; then runs env HOME="$dir" quasselcore --configdir="$dir/quassel" --listen=127.0.0.1 --port=21074; fi
if have rspec 21076 tcp spamd; then
	names[${#names[@]} - 1]=spamd
	runs spamd -L -i 127.0.0.1 -p 21076 --max-children 1 -r "$dir/spamd.pid" -s stderr
fi
if have tgt 21078 tcp tgtd; then
	runs tgtd -f --iscsi portal=127.0.0.1:21078
	(sleep 2; tgtadm --lld iscsi --op new --mode target --tid 1 -T iqn.2026-11.invalid:a; tgtadm --lld iscsi --op bind --mode target --tid 1 -I ALL) &
fi
if have daytime-udp 21081 udp xinetd; then
	names+=(time-udp echo-udp chargen-udp) ports+=(21082/udp 21083/udp 21084/udp)
	for i in daytime:21081 time:21082 echo:21083 chargen:21084; do
		printf 'service %s\n{\ntype = INTERNAL UNLISTED\nid = %s-udp\nsocket_type = dgram\nprotocol = udp\nwait = yes\nuser = root\nport = %d\nbind = 127.0.0.1\n}\n' "${i%:*}" "${i%:*}" "${i#*:}"
	done >"$dir/xinetd-udp.conf"
	runs xinetd -dontfork -f "$dir/xinetd-udp.conf" -pidfile "$dir/xinetd-udp.pid" -filelog "$dir/log"
fi
if have charon 500 udp /usr/lib/ipsec/charon; then
	names+=(charon-nat) ports+=(4500/udp)
	runs /usr/lib/ipsec/charon
fi
if have ejabberd 5222 tcp ejabberdctl; then
	mkdir -p /run/ejabberd && chown ejabberd /run/ejabberd; mkdir "$dir/ejabberd" && chown ejabberd "$dir/ejabberd"
	printf 'hosts: [localhost]\nlisten:\n  - port: 21085\n    ip: "127.0.0.1"\n    module: ejabberd_c2s\n' >"$dir/ejabberd.yml"
	chmod 644 "$dir/ejabberd.yml"
	runs env EJABBERD_CONFIG_PATH="$dir/ejabberd.yml" setpriv --reuid ejabberd --regid ejabberd --clear-groups env HOME="$dir/ejabberd" SPOOL_DIR="$dir/ejabberd" LOGS_DIR="$dir/ejabberd" ejabberdctl --no-timeout foreground
fi
