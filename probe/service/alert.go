package service

import (
	"errors"
	"fmt"
	"net"
	"reflect"

	"onmux/probe"
)

// Alerts of TLS (RFC 8446, section 6) by which a server states what it needs.
const (
	alertHandshakeFailure    = 40
	alertNoCertificate       = 41 // SSL 3.0
	alertBadCertificate      = 42
	alertInternalError       = 80
	alertUnrecognizedName    = 112
	alertCertificateRequired = 116
)

var alertNames = map[uint8]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
	41: "no_certificate", 42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked",
	45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied",
	50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
	86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension", 110: "unsupported_extension",
	112: "unrecognized_name", 113: "bad_certificate_status_response", 115: "unknown_psk_identity",
	116: "certificate_required", 120: "no_application_protocol",
}

// alertOf is the alert that the peer has sent. The type of crypto/tls for it is not exported.
func alertOf(err error) (code uint8, ok bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return uint8(v.Uint()), true
}

// alert describes the alert in answer to a ClientHello. named is whether that had a server
// name, requested whether the server has requested a certificate.
func alert(code uint8, named, requested bool) *probe.Alert {
	a := &probe.Alert{Code: code, Name: alertNames[code]}
	if a.Name == "" {
		a.Name = fmt.Sprintf("alert %d", code)
	}
	switch {
	case !named && (code == alertUnrecognizedName || code == alertInternalError):
		a.Needs = probe.NeedsName
	case wantsCertificate(code, requested):
		a.Needs = probe.NeedsCertificate
	}
	return a
}

// wantsCertificate reports whether an alert means that a certificate of the client is missing.
func wantsCertificate(code uint8, requested bool) bool {
	switch code {
	case alertCertificateRequired, alertNoCertificate:
		return true
	case alertHandshakeFailure, alertBadCertificate:
		return requested
	}
	return false
}
