// Package scantest runs scans in tests and checks that their findings are
// consistent. Only tests import it.
package scantest
