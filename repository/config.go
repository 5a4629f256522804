package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"holdfast/repository/id"
	"holdfast/repository/internal/chunk"
	"holdfast/storage"
)

// The format versions: v1 is read, v2 is read and written.
const (
	minVersion = 1
	maxVersion = 2
)

// Config is the decrypted config file of a repository.
type Config struct {
	Version uint   `json:"version"`
	ID      string `json:"id"`
	// ChunkerPolynomial is the polynomial of restic's Rabin cutter, in hex.
	ChunkerPolynomial string `json:"chunker_polynomial"`
	// Cutter says that holdfast made the repository with a faster cutter;
	// nil means restic's Rabin cutter. restic ignores the field.
	Cutter *CutterConfig `json:"holdfast_cutter,omitempty"`
}

// CutterConfig names a cutter that is not restic's.
type CutterConfig struct {
	// Name is GearCutter.
	Name string `json:"name"`
	// Seed makes cut points unpredictable to those who do not know it.
	Seed []byte `json:"seed"`
}

// seedSize is the length in bytes of a gear cutter's seed.
const seedSize = 32

// The cutters a repository may be made with.
const (
	// RabinCutter cuts as restic does, so that both programs dedup against
	// each other's snapshots.
	RabinCutter = "rabin"
	// GearCutter is several times faster (docs/format/gear-cutter.md).
	GearCutter = "gear-v1"
)

// decodeConfig reads and checks the plaintext of a config file.
func decodeConfig(plain []byte) (Config, error) {
	var c Config
	if err := json.Unmarshal(plain, &c); err != nil {
		return c, fmt.Errorf("decode config: %w", err)
	}
	if c.Version < minVersion || c.Version > maxVersion {
		return c, fmt.Errorf("%w %d: this program reads versions %d to %d; use a newer one", ErrUnknownVersion, c.Version, minVersion, maxVersion)
	}
	if !id.Valid(c.ID) {
		return c, fmt.Errorf("config holds an invalid repository ID %q", c.ID)
	}
	if _, err := c.cutMethod(RabinCutter); err != nil {
		return c, err
	}
	if c.Cutter != nil && (c.Cutter.Name != GearCutter || len(c.Cutter.Seed) != seedSize) {
		return c, fmt.Errorf("config names the unknown cutter %q: use a newer version of this program", c.Cutter.Name)
	}
	return c, nil
}

// loadConfig reads the config of the repository whose key is known.
func (r *Repository) loadConfig(ctx context.Context) error {
	plain, err := r.LoadUnpacked(ctx, ConfigFile, id.ID{})
	if err != nil {
		return err
	}
	r.config, err = decodeConfig(plain)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &CorruptError{Kind: ConfigFile, Err: err}
	}
	return err
}

// CutterName tells which cutter new backups use unless told otherwise.
func (c Config) CutterName() string {
	if c.Cutter == nil {
		return RabinCutter
	}
	return c.Cutter.Name
}

// cutMethod makes the named method with the parameters of the config.
func (c Config) cutMethod(name string) (CutMethod, error) {
	if name == GearCutter && c.Cutter != nil {
		return chunk.NewGear([seedSize]byte(c.Cutter.Seed)), nil
	}
	pol, err := chunk.ParsePolynomial(c.ChunkerPolynomial)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	m, err := chunk.NewRabin(pol)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return m, nil
}

// hasConfig tells whether the store holds a repository.
func hasConfig(ctx context.Context, s storage.Store) (bool, error) {
	_, err := s.Stat(ctx, configKey)
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
