package logarchive

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// sealText returns the stored form of what is signed: a preamble, one line of
// JSON, and the signature over both in base64.
func sealText(preamble string, line []byte, key ed25519.PrivateKey) []byte {
	signed := fmt.Appendf(nil, "%s\n%s\n", preamble, line)
	return fmt.Appendf(signed, "%s\n", base64.StdEncoding.EncodeToString(ed25519.Sign(key, signed)))
}

// openText reads what sealText wrote into a value, which then tells the key.
// Only keys of trusted may have signed it; anything else is an ErrForged.
func openText(preamble string, stored []byte, value any, key func() []byte, trusted []ed25519.PublicKey) error {
	if len(stored) > maxRecordBytes {
		return fmt.Errorf("it has %d bytes: %w", len(stored), ErrForged)
	}
	body, signature, err := splitSigned(stored)
	if err != nil {
		return err
	}
	line, ok := bytes.CutPrefix(body, []byte(preamble+"\n"))
	if !ok {
		return fmt.Errorf("it does not begin with %q: %w", preamble, ErrForged)
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("%w: %w", ErrForged, err)
	}
	if signer := key(); !isTrusted(signer, trusted) || !ed25519.Verify(signer, body, signature) {
		return fmt.Errorf("key %x: %w", signer, ErrForged)
	}
	return nil
}

// splitSigned cuts the last line, the signature, off.
func splitSigned(stored []byte) (body, signature []byte, err error) {
	text, ok := bytes.CutSuffix(stored, []byte("\n"))
	at := bytes.LastIndexByte(text, '\n')
	if !ok || at < 0 {
		return nil, nil, fmt.Errorf("it is cut short: %w", ErrForged)
	}
	signature, err = base64.StdEncoding.Strict().DecodeString(string(text[at+1:]))
	if err != nil {
		return nil, nil, fmt.Errorf("its signature: %w: %w", ErrForged, err)
	}
	return stored[:at+1], signature, nil
}

func isTrusted(key ed25519.PublicKey, trusted []ed25519.PublicKey) bool {
	for _, t := range trusted {
		if len(t) == ed25519.PublicKeySize && t.Equal(key) {
			return true
		}
	}
	return false
}
