// Package reporttest has streams of records for the tests of reports.
package reporttest
