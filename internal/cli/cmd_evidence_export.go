package cli

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/evidence"
	"holdfast/repository"
)

func newEvidenceExport(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "export [flags] TARGET",
		Short: "Write all records to a folder, or a tar file, for an auditor",
		Long: `Write all records of a repository to a new folder or, if its name ends with .tar,
a tar file, or as tar to standard output if it is "-": for each its JSON word for word as it was signed, its signature, and
a page to print; the public keys; and how all that is verified with minisign or
openssl, by a script that is there too. An auditor needs neither holdfast nor the
repository nor its password.

What is exported says in the clear which machines, plans and sources there are.`,
		Example: "  holdfast evidence export /mnt/usb/evidence-2026\n  holdfast evidence export -r offsite evidence.tar\n  holdfast evidence export - | ssh auditor 'cat > evidence.tar'",
		Args:    wantArgs(1, 1, "the folder or tar file to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "-" && c.ui.json {
				return errors.New("the records go to standard output, where --json would print too: leave it out, or name a file")
			}
			return c.exportEvidence(cmd.Context(), args[0])
		},
	}
}

// evidenceExportedMessage tells what was exported.
type evidenceExportedMessage struct {
	MessageType string `json:"message_type"` // "evidence_exported"
	Target      string `json:"target"`
	Records     int    `json:"records"`
	Damaged     int    `json:"damaged"`
}

func (c *command) exportEvidence(ctx context.Context, target string) error {
	return c.readEvidence(ctx, func(_ *repository.Repository, chain *evidence.Chain) error {
		write := writeFolder
		switch {
		case target == "-":
			write = func(_ string, files []evidence.Exported) error { return tarTo(c.streams.Out, "evidence/", files) }
		case strings.HasSuffix(target, ".tar"):
			write = writeTar
		}
		if err := write(target, chain.Export()); err != nil {
			return fmt.Errorf("export evidence: %w", err)
		}
		damaged := 0
		for _, f := range chain.Verify(evidence.Trust{}).Findings {
			if f.Rule == evidence.Damaged {
				damaged++
				c.ui.warn("evidence", f.Key, errors.New(f.What))
			}
		}
		c.ui.message(evidenceExportedMessage{"evidence_exported", target, len(chain.Entries), damaged})
		if target != "-" {
			c.ui.infof("%s exported to %s; its README.txt says how they are verified", countOf(len(chain.Entries), "record"), target)
		}
		if damaged > 0 {
			return fmt.Errorf("%s cannot be read and are not exported, each named above", countOf(damaged, "record"))
		}
		return nil
	})
}

// writeFolder writes files to a new folder.
func writeFolder(path string, files []evidence.Exported) error {
	if err := os.Mkdir(path, 0o755); err != nil { //nolint:gosec // it is for others to read
		return err
	}
	for _, f := range files {
		at := filepath.Join(path, f.Name)
		if err := os.WriteFile(at, f.Content, 0o644); err != nil { //nolint:gosec // as above
			return err
		}
		if err := os.Chtimes(at, f.Time, f.Time); err != nil {
			return err
		}
	}
	return nil
}

// writeTar writes files to a new tar file.
func writeTar(path string, files []evidence.Exported) (err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it is for others to read
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	return tarTo(out, strings.TrimSuffix(filepath.Base(path), ".tar")+"/", files)
}

// tarTo writes files to a folder of a tar.
func tarTo(out io.Writer, folder string, files []evidence.Exported) error {
	w := tar.NewWriter(out)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: folder + f.Name, Size: int64(len(f.Content)), Mode: 0o644, ModTime: f.Time}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(w, strings.NewReader(string(f.Content))); err != nil {
			return err
		}
	}
	return w.Close()
}
