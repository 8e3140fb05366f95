// Package named asks the controls that a user names: endpoints that should answer, in
// the network that is scanned or not. Silence in a scan counts only while they do.
package named
