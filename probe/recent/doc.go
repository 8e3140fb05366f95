// Package recent has a map that forgets: of what strangers make a program remember, the newest.
package recent
