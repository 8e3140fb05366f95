// Package traceroute answers which routers the packets for an endpoint pass. It
// sends the endpoint's own request with a limited TTL, or hop limit, so that
// firewalls on the way treat it as they treat an attempt without the limit.
package traceroute
