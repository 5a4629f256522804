package protect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"holdfast/internal/config"
	"holdfast/internal/kit"
	"holdfast/repository"
)

// WriteKit writes the recovery kit of the repository if it is not there as
// it should be. With withPassword the password stands in it.
func (s *Setup) WriteKit(ctx context.Context, r *repository.Repository, host string, withPassword bool) error {
	cfg, err := config.Load(s.ConfigPath)
	if err != nil {
		return err
	}
	location := r.Location()
	master, err := r.MasterKey()
	if err != nil {
		return fmt.Errorf("write the recovery kit: %w", err)
	}
	k := kit.Kit{
		Host: host, Paths: protectedBy(cfg, s.Name),
		Name: s.Name, Location: location, ResticLocation: location,
		RepositoryID: r.ID(), KeyID: r.KeyID().String(), Fingerprint: kit.Fingerprint(master),
		PasswordPlace: s.Repository.Password.Place(), PasswordFile: s.Repository.Password.File,
	}
	if withPassword {
		password, err := s.Repository.Password.Resolve(ctx)
		if err != nil {
			return fmt.Errorf("write the recovery kit: %w", err)
		}
		k.Password = password.Reveal()
	}
	text := k.Text()
	old, err := os.ReadFile(s.KitPath())
	if err == nil && bytes.Equal(old, []byte(text)) {
		return nil
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = writeFile(s.KitPath(), text, os.Rename)
	}
	if err != nil {
		return fmt.Errorf("write the recovery kit: %w", err)
	}
	return nil
}

// protectedBy returns the paths that go to a repository by any plan.
func protectedBy(cfg *config.Config, repository string) []string {
	var paths []string
	for _, plan := range slices.Sorted(maps.Keys(cfg.Plans)) {
		if cfg.Plans[plan].Repository != repository {
			continue
		}
		for _, name := range cfg.Plans[plan].Sources {
			if files := cfg.Sources[name].Files; files != nil {
				paths = append(paths, files.Paths...)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
