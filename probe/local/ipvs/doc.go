// Package ipvs reads the virtual services of the kernel's load balancer (IPVS), which
// takes what arrives for them before any socket does and sends it to a real server.
package ipvs
