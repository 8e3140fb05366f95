// Package inquiry asks a few endpoints all there is to ask: the state, what speaks
// there, whether that is a service, and who stands between. Endpoints are asked side
// by side and told in the order in which they were given, so that the addresses of a
// name, IPv4 and IPv6, are held against each other (families.go); what the name itself
// says stands in names.go. It joins probe, which makes one attempt, with
// probe/service, which names what answers it.
package inquiry
