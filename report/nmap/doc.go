// Package nmap writes nmap's XML, which many tools read, and reads it as the report
// of a scan. Its states and reasons are coarser than ours in a few places.
package nmap
