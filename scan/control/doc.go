// Package control watches whether silence means anything at present. A Watch asks
// controls, endpoints that have answered, again all the time; a Detector for each part
// of the network decides by them when its path fails and works again, and whether the
// scan's own pace is to blame. Beside that it finds whether one router must send too many ICMP errors
// (Routers), and which networks limit their ICMP errors so that their silence
// decides nothing (FindLimits). It decides by what it is given and asks through
// the narrow Scan interface; it knows nothing of passes, tables or engines.
package control
