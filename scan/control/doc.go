// Package control watches whether silence means anything at present: whether the
// scan's own pace makes answers fail (Watch asks hosts again that have answered),
// whether the path is lost, whether one router must send too many ICMP errors
// (Routers), and which networks limit their ICMP errors so that their silence
// decides nothing (FindLimits). It decides by what it is given and asks through
// the narrow Scan interface; it knows nothing of passes, tables or engines.
package control
