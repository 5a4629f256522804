package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/internal/app"
	"holdfast/internal/archive"
	"holdfast/internal/config"
	"holdfast/storage"
)

func newArchive(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Keep snapshots as files for tape, discs and cold storage",
		Long: `Keep snapshots as files for tape, optical discs and cold storage: a tar in zstd
in age, with a manifest and a SHA256SUMS file, in a folder for each archive.
Neither a repository nor holdfast is needed to get one back:

  cat NAME* | age -d -i key.txt | zstd -d | tar x --xattrs --acls

Archives can be full, or hold what changed since an earlier one.`,
		Example: "  holdfast archive export latest --to /mnt/tape --recipient age1...\n  holdfast archive verify /mnt/tape --identity key.txt",
	}
	cmd.AddCommand(newArchiveExport(c), newArchiveImport(c), newArchiveVerify(c), newArchiveList(c))
	return cmd
}

// openShelf opens a place that archives lie in. The caller closes its store.
func (c *command) openShelf(ctx context.Context, url string, create bool) (archive.Shelf, error) {
	if folder, local := app.LocalFolder(url); local && create {
		// More than one missing folder is a disk that is not mounted.
		above := filepath.Dir(folder)
		if _, err := os.Stat(above); err != nil {
			return archive.Shelf{}, fmt.Errorf("there is no folder %s for the archives; if it is on another disk, mount that, else make the folder", above)
		}
	}
	s, err := c.openStore(ctx, c.archivesAt(url), create)
	if errors.Is(err, storage.ErrNotFound) {
		err = fmt.Errorf("%w; the first `holdfast archive export --to` a place makes its folder", err)
	}
	if err != nil {
		return archive.Shelf{}, fmt.Errorf("archives in %s: %w", url, err)
	}
	own, limited := storage.As[ownKeys](s)
	if !limited {
		return archive.Shelf{Store: s}, nil
	}
	if err := own.CheckOwnKeys(ctx); err != nil {
		return archive.Shelf{}, errors.Join(fmt.Errorf("archives in %s: %w", url, err), storage.Close(s))
	}
	return archive.Shelf{Store: s, Below: archivesBelow}, nil
}

// archivesAt returns a place of archives, with what holdfast.yaml says of it.
func (c *command) archivesAt(url string) place {
	if cfg, err := c.loadConfig(); err == nil {
		for _, a := range cfg.ArchivesAt(url) {
			return place{url: url, configured: &config.Repository{URL: url, Options: a.Options}}
		}
	}
	return place{url: url}
}

// archivesBelow is where archives lie in stores that hold our own keys only
// below holdfast/: REST servers.
const archivesBelow = "holdfast/archives/"

// shelves are places that archives lie in.
type shelves []archive.Shelf

func (s shelves) close() error {
	var errs []error
	for _, shelf := range s {
		errs = append(errs, storage.Close(shelf.Store))
	}
	return errors.Join(errs...)
}

// openShelves opens some places. A place may also be the folder of one
// archive: then its name is returned.
func (c *command) openShelves(ctx context.Context, urls []string) (open shelves, name string, err error) {
	for n, url := range urls {
		if folder, base, ok := archiveFolder(url); ok {
			url = folder
			if n == 0 {
				name = base
			}
		}
		s, err := c.openShelf(ctx, url, false)
		if err != nil {
			return nil, "", errors.Join(err, open.close())
		}
		open = append(open, s)
	}
	return open, name, nil
}

// archiveFolder tells whether a place is the folder of an archive, and of
// which.
func archiveFolder(url string) (folder, name string, ok bool) {
	path, local := app.LocalFolder(url)
	if !local {
		return "", "", false
	}
	if _, err := os.Stat(filepath.Join(path, archive.SumsName)); err != nil {
		return "", "", false
	}
	return filepath.Dir(path), filepath.Base(path), true
}

// identityFlags say what opens archives.
type identityFlags struct {
	files             []string
	passphraseFile    string
	passphraseCommand string
}

func (f *identityFlags) register(fl *pflag.FlagSet) {
	fl.StringArrayVarP(&f.files, "identity", "i", nil, "`file` with the secret key: of age-keygen, or an SSH key (may be repeated)")
	fl.StringVar(&f.passphraseFile, "passphrase-file", "", "`file` that holds the passphrase of the archive")
	fl.StringVar(&f.passphraseCommand, "passphrase-command", "", "`command` that prints the passphrase of the archive")
}

func (f *identityFlags) identities(ctx context.Context, c *command) (ids archive.Identities, err error) {
	for _, path := range f.files {
		if err := ids.AddFile(path, c.askPassword); err != nil {
			return ids, err
		}
	}
	passphrase, err := passphraseOf(ctx, f.passphraseFile, f.passphraseCommand)
	if err == nil && passphrase != nil {
		err = ids.AddPassphrase(passphrase)
	}
	return ids, err
}

// passphraseOf gets a passphrase from a file or a command; nil for neither.
func passphraseOf(ctx context.Context, file, command string) ([]byte, error) {
	switch {
	case file != "" && command != "":
		return nil, errors.New("--passphrase-file and --passphrase-command exclude each other")
	case file != "":
		return readPasswordFile(file)
	case command != "":
		return runPasswordCommand(ctx, command)
	}
	return nil, nil
}

// alsoUsage is the usage of --also.
const alsoUsage = "another `place` to look for the archives that one is relative to (may be repeated)"
