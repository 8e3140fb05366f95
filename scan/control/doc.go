// Package control watches whether silence means anything at present. A Watch asks
// controls, endpoints that have answered, again all the time; a Detector for each part
// of the network decides by them when its path fails and works again, and whether the
// scan's own pace is to blame. A History shows by when the scan's own endpoints answered
// which parts of the network failed and when. Beside that it finds
// whether one router must send too many ICMP errors (Routers), and where ICMP errors are
// limited so that silence decides nothing (Limits). It asks through the narrow Scan
// interface; it knows nothing of passes, tables or engines.
package control
