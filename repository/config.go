package repository

import (
	"context"
	"encoding/json"
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

// decodeConfig reads and checks the plaintext of a config file. Fields of
// other programs are ignored, and stay: the config is never written again.
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
	return c, nil
}

// CutterName tells which cutter new backups use unless told otherwise.
func (c Config) CutterName() string {
	if c.Cutter == nil {
		return RabinCutter
	}
	return c.Cutter.Name
}

// cutMethod makes the named method with the parameters of the config. They
// are judged only here: nothing that reads needs them.
func (c Config) cutMethod(name string) (CutMethod, error) {
	switch {
	case name != RabinCutter && name != GearCutter:
		return nil, fmt.Errorf("unknown cutter %q: use a newer version of this program, or choose %s or %s", name, GearCutter, RabinCutter)
	case name == RabinCutter || c.Cutter == nil || c.Cutter.Name != GearCutter:
		return c.rabin()
	case len(c.Cutter.Seed) != seedSize:
		return nil, fmt.Errorf("config: seed of %d bytes for cutter %s: want %d", len(c.Cutter.Seed), GearCutter, seedSize)
	}
	return chunk.NewGear([seedSize]byte(c.Cutter.Seed)), nil
}

func (c Config) rabin() (CutMethod, error) {
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
