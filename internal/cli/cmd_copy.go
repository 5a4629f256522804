package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/internal/size"
	"holdfast/internal/upkeep"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// otherFlags say how the other repository of a copy opens. What they leave
// open, variables say whose names begin with the same word.
type otherFlags struct {
	word            string // "to" or "from"
	passwordFile    string
	passwordCommand string
}

func (f *otherFlags) register(fl *pflag.FlagSet, word, name string) {
	f.word = word
	fl.StringVar(&f.passwordFile, word+"-password-file", "", "`file` that holds the password of the "+name)
	fl.StringVar(&f.passwordCommand, word+"-password-command", "", "`command` that prints the password of the "+name)
}

// copyFlags are the flags of `holdfast copy`.
type copyFlags struct {
	to          []string
	toFlags     otherFlags
	from        string
	fromFile    string
	fromFlags   otherFlags
	fromKeyHint string
	chosen      selectFlags
	writer      writerFlags
}

func newCopy(c *command) *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:   "copy [flags] --to REPOSITORY... [SNAPSHOT...]",
		Short: "Copy snapshots to other repositories",
		Long: `Copy the snapshots named or, without names, all that --host, --tag and --path
choose, from the repository given by -r to each one given by --to. As in
restic, --from-repo names the source instead, and then -r the destination.

Only what the destination lacks is read; it is decrypted and checked on the
way. Snapshots that were copied before are skipped, and a copy that is
interrupted goes on where it was when it is run again.

The password of the other repository comes from --to-password-file and the
like, HOLDFAST_TO_PASSWORD[_FILE|_COMMAND], or holdfast.yaml; without any, it
is taken to be the same. Repositories that cut files at the same points share
data: see ` + "`holdfast init --like`" + `.`,
		Example: `  holdfast copy -r /srv/backup --to /mnt/usb/backup
  holdfast copy --to offsite --to-password-file ~/.offsite latest
  holdfast copy -r /mnt/usb/backup --from-repo /srv/backup`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runCopy(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.to, "to", nil, "`repository` to copy to: a place, or a name from holdfast.yaml (may be repeated)")
	f.toFlags.register(fl, "to", "destinations")
	fl.StringVar(&f.from, "from-repo", "", "`repository` to copy from (HOLDFAST_FROM_REPOSITORY)")
	fl.StringVar(&f.fromFile, "from-repository-file", "", "`file` that holds the place of the repository to copy from")
	f.fromFlags.register(fl, "from", "source")
	fl.StringVar(&f.fromKeyHint, "from-key-hint", "", "`ID` of the source's key to try first")
	f.chosen.register(fl, "H")
	f.writer.register(fl)
	return cmd
}

func (c *command) runCopy(ctx context.Context, f *copyFlags, args []string) error {
	writer, err := f.writer.options()
	if err != nil {
		return err
	}
	from, to, err := f.places(c)
	if err != nil {
		return err
	}
	reading := *c
	if f.fromKeyHint != "" {
		reading.global.keyHint = f.fromKeyHint
	}
	src, err := reading.openPlace(ctx, from)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	err = c.locked(ctx, src, repository.Shared, func(ctx context.Context, src *repository.Repository) error {
		all, err := c.loadAll(ctx, src)
		if err != nil {
			return err
		}
		chosen, err := f.chosen.choose(all, args)
		if err != nil {
			return err
		}
		for _, p := range to {
			if err := c.copyTo(ctx, src, p, chosen, writer); err != nil {
				return fmt.Errorf("copy to %s: %w", p.url, err)
			}
		}
		return nil
	})
	return errors.Join(err, src.Close())
}

// places finds the source and the destinations.
func (f *copyFlags) places(c *command) (from place, to []place, err error) {
	main, err := c.place()
	if err != nil {
		return place{}, nil, err
	}
	source := firstOf(f.from, fileLine(f.fromFile), variable("from", "REPOSITORY"))
	switch {
	case len(f.to) > 0 && (f.from != "" || f.fromFile != ""):
		return place{}, nil, errors.New("--to and --from-repo exclude each other: -r is the other end in both cases")
	case len(f.to) > 0:
		for _, url := range f.to {
			p, err := c.otherPlace(url, f.toFlags, main)
			if err != nil {
				return place{}, nil, err
			}
			to = append(to, p)
		}
		return main, to, nil
	case source != "":
		from, err = c.otherPlace(source, f.fromFlags, main)
		return from, []place{main}, err
	}
	return place{}, nil, errors.New("no destination given: name one with --to")
}

// fileLine returns the first line of a file, or "" if it cannot be read: the
// place is then missing, which is reported.
func fileLine(path string) string {
	if path == "" {
		return ""
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line)
}

// variable returns the variable that says something about the other
// repository: HOLDFAST_TO_..., or restic's own RESTIC_FROM_....
func variable(word, name string) string { return env(strings.ToUpper(word) + "_" + name) }

// otherPlace finds the other repository of a copy. What nothing else says of
// its password, that of the main one does.
func (c *command) otherPlace(url string, f otherFlags, main place) (place, error) {
	p := place{url: url, password: main.password}
	configured, err := c.configured(url)
	if err != nil {
		return p, err
	}
	if configured != nil {
		p.url, p.configured = configured.URL, configured
		p.password = func(ctx context.Context) ([]byte, error) {
			secret, err := configured.Password.Resolve(ctx)
			if err != nil {
				return nil, fmt.Errorf("password of %s: %w", url, err)
			}
			return []byte(secret.Reveal()), nil
		}
	}
	if given := f.password(); given != nil {
		p.password = given
	}
	return p, nil
}

// password returns where flags or variables say that the password is, or nil.
func (f *otherFlags) password() func(context.Context) ([]byte, error) {
	file := func(path string) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return readPasswordFile(path) }
	}
	command := func(line string) func(context.Context) ([]byte, error) {
		return func(ctx context.Context) ([]byte, error) { return runPasswordCommand(ctx, line) }
	}
	switch given := variable(f.word, "PASSWORD"); {
	case f.passwordFile != "":
		return file(f.passwordFile)
	case f.passwordCommand != "":
		return command(f.passwordCommand)
	case given != "":
		return func(context.Context) ([]byte, error) { return []byte(given), nil }
	}
	if path := variable(f.word, "PASSWORD_FILE"); path != "" {
		return file(path)
	}
	if line := variable(f.word, "PASSWORD_COMMAND"); line != "" {
		return command(line)
	}
	return nil
}

// copyMessage tells of one snapshot.
type copyMessage struct {
	MessageType string `json:"message_type"` // "copied" or "skipped"
	Repository  string `json:"repository"`
	From        string `json:"source_snapshot_id"`
	To          string `json:"snapshot_id"`
}

// copySummary is the last message for each destination.
type copySummary struct {
	MessageType   string  `json:"message_type"` // "summary"
	Repository    string  `json:"repository"`
	Copied        int     `json:"snapshots_copied"`
	Skipped       int     `json:"snapshots_skipped"`
	Blobs         uint64  `json:"blobs_copied"`
	Bytes         uint64  `json:"bytes_copied"`
	TotalDuration float64 `json:"total_duration"` // seconds
}

// copyTo copies snapshots to one destination. --no-lock is for the source
// alone: who writes needs a lock.
func (c *command) copyTo(ctx context.Context, src *repository.Repository, to place, chosen []*snapshot.Snapshot, writer repository.WriterOptions) error {
	writing := *c
	writing.global.noLock = false
	dst, err := writing.openPlace(ctx, to)
	if err != nil {
		return err
	}
	err = writing.locked(ctx, dst, repository.Shared, func(ctx context.Context, dst *repository.Repository) error {
		return c.copySnapshots(ctx, src, dst, chosen, writer)
	})
	return errors.Join(err, dst.Close())
}

func (c *command) copySnapshots(ctx context.Context, src, dst *repository.Repository, chosen []*snapshot.Snapshot, writer repository.WriterOptions) error {
	start := time.Now()
	others, err := c.loadAll(ctx, dst)
	if err != nil {
		return err
	}
	var missing []*snapshot.Snapshot
	for _, s := range chosen {
		same := upkeep.Copied(s, others)
		if same == nil {
			missing = append(missing, s)
			continue
		}
		c.ui.message(copyMessage{"skipped", dst.Location(), s.ID.String(), same.ID.String()})
		if c.ui.verbose > 0 {
			c.ui.infof("snapshot %s is there already, as %s", s.ID.Short(), same.ID.Short())
		}
	}
	d := &upkeep.Destination{Repository: dst, Snapshots: missing}
	err = upkeep.Copy(ctx, src, []*upkeep.Destination{d}, upkeep.CopyOptions{
		Writer: writer, Watch: c.watchUpkeep,
		OnCopied: func(_ *upkeep.Destination, from, to *snapshot.Snapshot) {
			c.ui.message(copyMessage{"copied", dst.Location(), from.ID.String(), to.ID.String()})
			c.ui.infof("snapshot %s of %s copied as %s", from.ID.Short(), from.Time.Local().Format(time.DateTime), to.ID.Short())
		},
	})
	if err != nil {
		return err
	}
	receipt := d.Receipt
	m := copySummary{
		MessageType: "summary", Repository: dst.Location(), Copied: len(receipt.Copied), Skipped: len(chosen) - len(missing),
		Blobs: receipt.Blobs.Count, Bytes: receipt.Blobs.Bytes, TotalDuration: time.Since(start).Seconds(),
	}
	c.ui.message(m)
	c.ui.infof("copied %d snapshots to %s (%s in %d blobs); %d were there already", m.Copied, m.Repository, size.FormatBytes(m.Bytes), m.Blobs, m.Skipped)
	return nil
}
