package nats

import (
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nkeys"

	"onmux/probe/wording"
	"onmux/scan/files"
	"onmux/scan/work"
)

// SignerOf signs with the NKey whose seed is in a file, as nk -gen user writes it.
func SignerOf(file string) (work.Signer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, &wording.UsageError{Err: fmt.Errorf("%s: %w", file, files.Cause(err))}
	}
	key, err := nkeys.ParseDecoratedUserNKey(data)
	if err != nil {
		key, err = nkeys.ParseDecoratedNKey(data)
	}
	if err != nil {
		return nil, &wording.UsageError{
			Err: fmt.Errorf("%s has no seed of an NKey", file), Hint: "nk -gen user writes one; it begins with SU",
		}
	}
	return key.Sign, nil
}

// VerifierOf accepts signatures of an NKey, by its public key.
func VerifierOf(public string) (work.Verifier, error) {
	key, err := nkeys.FromPublicKey(public)
	if err != nil {
		return nil, &wording.UsageError{
			Err: errors.New(
				"this is not the public key of an NKey",
			), Hint: "nk -inkey FILE -pubout prints it; it begins with U",
		}
	}
	return func(message, signature []byte) error {
		switch {
		case len(signature) == 0:
			return errors.New("it is not signed")
		case key.Verify(message, signature) != nil:
			return errors.New("it is not signed by the key that is trusted")
		}
		return nil
	}, nil
}
