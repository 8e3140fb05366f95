// Package ci writes reports for other programs: test reports (JUnit, TAP), GitHub's
// annotations and Markdown, CSV, and the formats of Prometheus and Nagios.
package ci
