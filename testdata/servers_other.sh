# More servers still, sourced by servers.sh: functions and variables are those of that script.
# Each section starts one program, on ports from 22001 on.

if have dictd 22001 tcp dictd; then
	printf 'global {\n listen_to 127.0.0.1\n port 22001\n}\n' >"$dir/dictd.conf"
	runs dictd -d nodetach -c "$dir/dictd.conf"
fi
if have oidentd 22002 tcp oidentd; then runs oidentd -i -a 127.0.0.1 -p 22002 -u nobody -g nogroup; fi
if have caddy 22003 tcp caddy; then
	names+=(caddy-admin) ports+=(22004/tcp)
	printf '{\n admin 127.0.0.1:22004\n auto_https off\n}\nhttp://127.0.0.1:22003 {\n respond "hello"\n}\n' >"$dir/Caddyfile"
	runs env HOME="$dir" caddy run --config "$dir/Caddyfile"
fi
# In front of OpenSSH on 20022 and nginx on 20080.
if have sslh 22005 tcp sslh; then runs sslh -f -u nobody -p 127.0.0.1:22005 --ssh 127.0.0.1:20022 --tls 127.0.0.1:20443 --http 127.0.0.1:20080; fi
if have nats 22006 tcp nats-server; then
	names+=(nats-monitor) ports+=(22007/tcp)
	runs nats-server -a 127.0.0.1 -p 22006 -m 22007
fi
if have docker-registry 22008 tcp docker-registry; then
	mkdir "$dir/registry"
	printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s/registry\nhttp:\n  addr: 127.0.0.1:22008\n' "$dir" >"$dir/registry.yml"
	runs docker-registry serve "$dir/registry.yml"
fi
if have syncthing 22009 tcp syncthing; then
	names+=(syncthing-bep) ports+=(22010/tcp)
	mkdir "$dir/syncthing"
	(HOME="$dir" syncthing -generate="$dir/syncthing" -no-default-folder >>"$dir/log" 2>&1
	sed -i 's#<listenAddress>default#<listenAddress>tcp://127.0.0.1:22010#; s#<globalAnnounceEnabled>true#<globalAnnounceEnabled>false#; s#<localAnnounceEnabled>true#<localAnnounceEnabled>false#; s#<relaysEnabled>true#<relaysEnabled>false#; s#<natEnabled>true#<natEnabled>false#' "$dir/syncthing/config.xml"
	HOME="$dir" exec syncthing -home="$dir/syncthing" -gui-address=127.0.0.1:22009 -no-browser -no-restart >>"$dir/log" 2>&1) &
fi
if have upsd 22011 tcp upsd; then
	mkdir "$dir/nut" && printf 'LISTEN 127.0.0.1 22011\nALLOW_NO_DEVICE true\nSTATEPATH %s/nut\n' "$dir" >"$dir/nut/upsd.conf"
	printf '[x]\ndriver = dummy-ups\nport = x\n' >"$dir/nut/ups.conf"; : >"$dir/nut/upsd.users"; chmod 755 "$dir/nut"; mkdir -p /run/nut
	runs env NUT_CONFPATH="$dir/nut" NUT_STATEPATH="$dir/nut" NUT_ALTPIDPATH="$dir/nut" upsd -F -u root
fi
if have lcdd 22012 tcp LCDd; then
	printf '[server]\nDriverPath=/usr/lib/x86_64-linux-gnu/lcdproc/\nDriver=text\nBind=127.0.0.1\nPort=22012\n[text]\n' >"$dir/LCDd.conf"
	runs LCDd -f -c "$dir/LCDd.conf" -u root
fi
if have pulseaudio 22013 tcp pulseaudio; then runs env HOME="$dir" XDG_RUNTIME_DIR="$dir" pulseaudio -n -L "module-native-protocol-tcp port=22013 listen=127.0.0.1 auth-anonymous=1" -L "module-http-protocol-tcp listen=127.0.0.1 port=22014" --exit-idle-time=-1 --daemonize=no; fi
if have snapserver 22015 tcp snapserver; then
	names+=(snapserver-control snapserver-http) ports+=(22016/tcp 22017/tcp)
	printf '[http]\nport = 22017\nbind_to_address = 127.0.0.1\n[tcp]\nport = 22016\nbind_to_address = 127.0.0.1\n[stream]\nport = 22015\nbind_to_address = 127.0.0.1\nsource = pipe:///%s/snapfifo?name=default\n' "$dir" >"$dir/snap.conf"
	runs snapserver -c "$dir/snap.conf"
fi
fb=/usr/sbin/firebird
if have firebird 22019 tcp "$fb"; then
	cp -a /etc/firebird/3.0 "$dir/firebird"; printf 'RemoteServicePort = 22019\nRemoteBindAddress = 127.0.0.1\n' >>"$dir/firebird/firebird.conf"; mkdir -p /run/firebird3.0; chown firebird /run/firebird3.0 "$dir/firebird" 2>/dev/null; mount --bind "$dir/firebird" /etc/firebird/3.0
	runs setpriv --reuid firebird --regid firebird --clear-groups "$fb"
fi
if have tac_plus 22020 tcp tac_plus; then
	printf 'key = "x"\n' >"$dir/tac.conf"
	runs tac_plus -G -C "$dir/tac.conf" -B 127.0.0.1 -p 22020 -l "$dir/tac.log"
fi
if have iodine 22021 udp iodined; then runs iodined -f -c -P x -p 22021 -l 127.0.0.1 10.99.0.1 t.invalid; fi
if have nsca 22022 tcp nsca; then
	printf 'server_port=22022\nserver_address=127.0.0.1\npid_file=%s/nsca.pid\ndebug=0\ncommand_file=%s/nsca.cmd\nalternate_dump_file=%s/nsca.dump\npassword=x\ndecryption_method=1\n' "$dir" "$dir" "$dir" >"$dir/nsca.cfg"
	runs nsca -f -c "$dir/nsca.cfg" --single
fi
if have gmond 22023 tcp gmond; then
	printf 'globals { daemonize = no\n setuid = no\n debug_level = 0\n }\ncluster { name = "x" }\nudp_send_channel { host = 127.0.0.1\n port = 22024 }\nudp_recv_channel { port = 22024 }\ntcp_accept_channel { port = 22023\n bind = 127.0.0.1 }\n' >"$dir/gmond.conf"
	runs gmond -f -c "$dir/gmond.conf"
fi
if have bacula-fd 22026 tcp bacula-fd; then
	printf 'Director { Name = d; Password = x; }\nFileDaemon { Name = fd; FDport = 22026; FDAddress = 127.0.0.1; WorkingDirectory = %s; PidDirectory = %s; }\nMessages { Name = Standard; director = d = all; }\n' "$dir" "$dir" >"$dir/bacula.conf"
	runs bacula-fd -f -c "$dir/bacula.conf"
fi
if have i2pd 22027 tcp i2pd; then
	names+=(i2pd-sam i2pd-bob i2pd-i2cp i2pd-socks i2pd-web) ports+=(22028/tcp 22029/tcp 22030/tcp 22031/tcp 22032/tcp)
	mkdir "$dir/i2pd"
	runs i2pd --datadir="$dir/i2pd" --http.port=22032 --httpproxy.port=22027 --sam.enabled=1 --sam.port=22028 --bob.enabled=1 --bob.port=22029 --i2cp.enabled=1 --i2cp.port=22030 --socksproxy.port=22031 --port=22033 --reseed.threshold=0
fi
if have qnetd 22034 tcp corosync-qnetd; then runs corosync-qnetd -f -p 22034 -l 127.0.0.1 -s off; fi
if have webdis 22035 tcp webdis; then
	printf '{"redis_host":"127.0.0.1","redis_port":20379,"http_host":"127.0.0.1","http_port":22035,"threads":1,"daemonize":false,"logfile":"%s/webdis.log"}' "$dir" >"$dir/webdis.json"
	runs webdis "$dir/webdis.json"
fi
if have bzfs 22037 tcp bzfs || have bzfs 22037 tcp /usr/games/bzfs; then runs "$(command -v bzfs || echo /usr/games/bzfs)" -p 22037 -i 127.0.0.1; fi
if have fingerd 22039 tcp in.fingerd && command -v xinetd >/dev/null; then
	printf 'service finger\n{\ntype = UNLISTED\nsocket_type = stream\nprotocol = tcp\nwait = no\nuser = nobody\nport = 22039\nbind = 127.0.0.1\nserver = %s\n}\n' "$(command -v in.fingerd)" >"$dir/xinetd-f.conf"
	runs xinetd -dontfork -f "$dir/xinetd-f.conf" -pidfile "$dir/xinetd-f.pid" -filelog "$dir/log"
fi
if have busybox-httpd 22041 tcp busybox; then
	names+=(busybox-telnetd) ports+=(22042/tcp)
	runs busybox httpd -f -p 127.0.0.1:22041 -h "$dir"
	runs busybox telnetd -F -b 127.0.0.1:22042 -l /bin/false
fi
if have hg 22043 tcp hg; then
	hg init "$dir/hg" >>"$dir/log" 2>&1
	runs hg -R "$dir/hg" serve -a 127.0.0.1 -p 22043
fi
if have fossil 22044 tcp fossil; then
	(cd "$dir" && USER=root HOME="$dir" fossil init x.fossil >>"$dir/log" 2>&1)
	runs env HOME="$dir" fossil server --localhost -P 22044 "$dir/x.fossil"
fi
if have carbon 22045 tcp carbon-cache; then
	names+=(carbon-pickle carbon-query) ports+=(22046/tcp 22047/tcp)
	mkdir -p "$dir/carbon/conf"
	printf '[cache]\nSTORAGE_DIR=%s/carbon\nLOCAL_DATA_DIR=%s/carbon\nCONF_DIR=%s/carbon/conf\nLOG_DIR=%s/carbon\nPID_DIR=%s/carbon\nLINE_RECEIVER_INTERFACE=127.0.0.1\nLINE_RECEIVER_PORT=22045\nPICKLE_RECEIVER_INTERFACE=127.0.0.1\nPICKLE_RECEIVER_PORT=22046\nCACHE_QUERY_INTERFACE=127.0.0.1\nCACHE_QUERY_PORT=22047\n' "$dir" "$dir" "$dir" "$dir" "$dir" >"$dir/carbon/conf/carbon.conf"
	printf '[d]\npattern=.*\nretentions=60:90d\n' >"$dir/carbon/conf/storage-schemas.conf"
	runs env GRAPHITE_ROOT="$dir/carbon" carbon-cache --config="$dir/carbon/conf/carbon.conf" --nodaemon start
fi
if have puma 22048 tcp puma; then
	printf 'run lambda { |e| [200, {"content-type" => "text/plain"}, ["hello"]] }\n' >"$dir/config.ru"
	runs puma -b tcp://127.0.0.1:22048 "$dir/config.ru"
fi
if have h2o 22049 tcp h2o; then
	names+=(h2o+tls) ports+=(22050/tcp)
	printf 'listen:\n  host: 127.0.0.1\n  port: 22049\nlisten:\n  host: 127.0.0.1\n  port: 22050\n  ssl:\n    certificate-file: %s/cert.pem\n    key-file: %s/key.pem\nhosts:\n  default:\n    paths:\n      /:\n        file.dir: %s\n' "$dir" "$dir" "$dir" >"$dir/h2o.conf"
	runs h2o -c "$dir/h2o.conf"
fi
if have janus 22051 tcp janus; then
	names+=(janus-ws) ports+=(22052/tcp)
	mkdir -p "$dir/janus"; printf 'general: {\n http = true\n port = 22051\n ip = "127.0.0.1"\n base_path = "/janus"\n}\n' >"$dir/janus/janus.transport.http.jcfg"
	printf 'general: {\n ws = true\n ws_port = 22052\n ws_ip = "127.0.0.1"\n}\n' >"$dir/janus/janus.transport.websockets.jcfg"
	runs janus -F "$dir/janus" -i 127.0.0.1
fi
if have radius 22057 udp freeradius; then
	cp -a /etc/freeradius/3.0 "$dir/radius"; chmod -R o+rX "$dir/radius"
	rm -f "$dir/radius/sites-enabled/"* "$dir/radius/mods-enabled/"*
	cp "$dir/radius/mods-available/always" "$dir/radius/mods-enabled/"
	printf 'server x {\n listen {\n  type = auth\n  ipaddr = 127.0.0.1\n  port = 22057\n }\n listen {\n  type = status\n  ipaddr = 127.0.0.1\n  port = 22058\n }\n authorize {\n  ok\n }\n}\n' >"$dir/radius/sites-enabled/x"
	runs freeradius -f -l stdout -d "$dir/radius"
fi
if have ser2net 22059 tcp ser2net; then
	printf 'connection: &c\n  accepter: telnet,tcp,127.0.0.1,22059\n  connector: echo\n' >"$dir/ser2net.yaml"
	runs ser2net -n -c "$dir/ser2net.yaml"
fi
if have cockpit 22060 tcp /usr/lib/cockpit/cockpit-ws; then runs /usr/lib/cockpit/cockpit-ws --no-tls -a 127.0.0.1 -p 22060; fi
if have uwsgi 22061 tcp uwsgi; then
	names+=(uwsgi-http) ports+=(22062/tcp)
	runs uwsgi --socket 127.0.0.1:22061 --http 127.0.0.1:22062
fi
if have atftpd 22064 udp atftpd; then runs atftpd --daemon --no-fork --bind-address 127.0.0.1 --port 22064 "$dir"; fi
if have traffic-server 22066 tcp traffic_server; then
	mkdir -p "$dir/ats"; cp -a /etc/trafficserver "$dir/ats/etc"
	sed -i 's/^CONFIG proxy.config.http.server_ports.*/CONFIG proxy.config.http.server_ports STRING 22066:ip-in=127.0.0.1/' "$dir/ats/etc/records.config"
	printf 'map / http://127.0.0.1:20080/\n' >>"$dir/ats/etc/remap.config"
	mount --bind "$dir/ats/etc" /etc/trafficserver; mkdir -p /run/trafficserver; chown -R trafficserver "$dir/ats" /run/trafficserver
	runs traffic_server
fi
if have collectd 22068 udp collectd; then
	printf 'BaseDir "%s"\nPIDFile "%s/collectd.pid"\nLoadPlugin network\n<Plugin network>\nListen "127.0.0.1" "22068"\n</Plugin>\n' "$dir" "$dir" >"$dir/collectd.conf"
	runs collectd -f -C "$dir/collectd.conf"
fi
if have python-xmlrpc 22069 tcp python3; then
	runs python3 -c 'from xmlrpc.server import *; SimpleXMLRPCServer(("127.0.0.1", 22069)).serve_forever()'
fi
