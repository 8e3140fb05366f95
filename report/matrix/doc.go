// Package matrix answers which zones see the same of an endpoint: what each zone of a scan from several
// found stands side by side, in rows of neighboring addresses on which all zones have the same view.
package matrix
