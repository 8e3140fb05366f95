// Package inquiry finds out everything about a few endpoints: the state, the service,
// whether an open port is more than something that answers, and the path. Endpoints are
// probed side by side and returned in the order in which they were given, so that the
// addresses of a name, IPv4 and IPv6, are compared with each other (families.go); what
// is known of the name itself is in names.go. It joins probe, which makes one attempt,
// with probe/service, which identifies what answers it, probe/decoy and
// probe/traceroute.
package inquiry
