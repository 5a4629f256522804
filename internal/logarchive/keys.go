package logarchive

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"

	"holdfast/repository"
)

// A signing key and its public half are written as a word and base64.
const (
	signingWord = "HOLDFAST-LOG-SIGNING-KEY-1"
	publicWord  = "holdfast-log-key-1"
)

// NewSigningKey makes a key to append with, as a line of text. It is a secret.
func NewSigningKey() (string, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", fmt.Errorf("make signing key: %w", err)
	}
	return signingWord + " " + base64.StdEncoding.EncodeToString(key.Seed()), nil
}

// ParseSigningKey reads what NewSigningKey returns. No error holds any of it.
func ParseSigningKey(text string) (ed25519.PrivateKey, error) {
	seed, ok := parseKey(text, signingWord, ed25519.SeedSize)
	if !ok {
		return nil, fmt.Errorf("not a signing key of a log archive: it is one line that begins with %s", signingWord)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// PublicKey returns the line of text that others trust a signing key by.
func PublicKey(key ed25519.PrivateKey) string {
	public := key.Public().(ed25519.PublicKey) //nolint:errcheck // an ed25519 key has no other
	return publicWord + " " + base64.StdEncoding.EncodeToString(public)
}

// ParsePublicKey reads what PublicKey returns.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	key, ok := parseKey(text, publicWord, ed25519.PublicKeySize)
	if !ok {
		return nil, fmt.Errorf("%q is no public key of a log archive: it begins with %s", text, publicWord)
	}
	return ed25519.PublicKey(key), nil
}

func parseKey(text, word string, size int) ([]byte, bool) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), word+" ")
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	return key, ok && err == nil && len(key) == size
}

// keyRecords is where a repository keeps the keys of its log archive, sealed
// as everything in it is: whoever opens the repository can read the log.
const keyRecords = "holdfast/log-keys/"

// Keys are what reading the log archives of a repository takes.
type Keys struct {
	// Identities open payloads: age identities, one a line.
	Identities []age.Identity
	// Trusted are the keys whose records are believed.
	Trusted []ed25519.PublicKey
}

// keyRecord is one set of keys as it is stored.
type keyRecord struct {
	Identity string `json:"identity"`
	Public   string `json:"public"`
}

// SaveKeys adds keys to those a repository keeps: an age identity, and the
// public half of a signing key.
func SaveKeys(ctx context.Context, r *repository.Repository, identity, public string) error {
	if _, err := age.ParseX25519Identity(identity); err != nil {
		return errors.New("not an age identity: it begins with AGE-SECRET-KEY-1")
	}
	if _, err := ParsePublicKey(public); err != nil {
		return err
	}
	plain, err := json.Marshal(keyRecord{Identity: identity, Public: public})
	if err != nil {
		return fmt.Errorf("encode the log's keys: %w", err)
	}
	_, err = r.SaveRecord(ctx, keyRecords, plain)
	return err
}

// LoadKeys returns the keys that a repository keeps; none is no error.
func LoadKeys(ctx context.Context, r *repository.Repository) (Keys, error) {
	var keys Keys
	records, err := keyRecordsOf(ctx, r)
	if err != nil {
		return keys, err
	}
	for _, plain := range records {
		var record keyRecord
		if err := json.NewDecoder(bytes.NewReader(plain)).Decode(&record); err != nil {
			return keys, fmt.Errorf("keys of the log: %w", err)
		}
		identity, err := age.ParseX25519Identity(record.Identity)
		if err != nil {
			return keys, errors.New("keys of the log: not an age identity")
		}
		public, err := ParsePublicKey(record.Public)
		if err != nil {
			return keys, fmt.Errorf("keys of the log: %w", err)
		}
		keys.Identities, keys.Trusted = append(keys.Identities, identity), append(keys.Trusted, public)
	}
	return keys, nil
}

// ShareKeys gives the keys that a repository keeps to another one, which may
// then hold segments that were archived with them.
func ShareKeys(ctx context.Context, from, to *repository.Repository) error {
	theirs, err := keyRecordsOf(ctx, from)
	if err != nil {
		return err
	}
	ours, err := keyRecordsOf(ctx, to)
	if err != nil {
		return err
	}
	for _, plain := range theirs {
		if slices.ContainsFunc(ours, func(o []byte) bool { return bytes.Equal(o, plain) }) {
			continue
		}
		if _, err := to.SaveRecord(ctx, keyRecords, plain); err != nil {
			return err
		}
	}
	return nil
}

// keyRecordsOf returns the sets of keys that a repository keeps.
func keyRecordsOf(ctx context.Context, r *repository.Repository) ([][]byte, error) {
	var stored []string
	if err := r.ListRecords(ctx, keyRecords, func(key string) error { stored = append(stored, key); return nil }); err != nil {
		return nil, fmt.Errorf("keys of the log: %w", err)
	}
	var records [][]byte
	for _, key := range stored {
		plain, err := r.LoadRecord(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("keys of the log: %w", err)
		}
		records = append(records, plain)
	}
	return records, nil
}
