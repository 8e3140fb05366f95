package nats_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nkeys"

	"onmux/scan/work/nats"
)

// TestSignatures: what the key of a file has signed is accepted by its public key, and nothing else.
func TestSignatures(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "seed")
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := key.Seed()
	public, _ := key.PublicKey()
	if err := os.WriteFile(file, append(seed, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	sign, err := nats.SignerOf(file)
	if err != nil {
		t.Fatal(err)
	}
	verify, err := nats.VerifierOf(public)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("a request")
	signature, err := sign(message)
	if err != nil || verify(message, signature) != nil {
		t.Fatalf("%v, %v", err, verify(message, signature))
	}
	for _, bad := range [][]byte{nil, signature[1:], append([]byte{signature[0] + 1}, signature[1:]...)} {
		if verify(message, bad) == nil {
			t.Errorf("%x is accepted", bad)
		}
	}
	if verify([]byte("another request"), signature) == nil {
		t.Error("the signature of another message is accepted")
	}
	if _, err := nats.VerifierOf(string(seed)); err == nil {
		t.Error("a seed is taken for a public key")
	}
}
