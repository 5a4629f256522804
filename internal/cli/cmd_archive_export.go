package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/archive"
	"holdfast/internal/retention"
	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/id"
	"holdfast/repository/snapshot"
	"holdfast/storage"
)

// archiveExportFlags are the flags of `holdfast archive export`.
type archiveExportFlags struct {
	plan              string
	to                string
	name              string
	kind              string
	since             string
	recipients        []string
	recipientsFiles   []string
	passphrase        bool
	passphraseFile    string
	passphraseCommand string
	split             size.Bytes
	expires           string
	restart           bool
	dryRun            bool
	chosen            selectFlags
}

func newArchiveExport(c *command) *cobra.Command {
	var f archiveExportFlags
	cmd := &cobra.Command{
		Use:   "export [flags] {--to PLACE SNAPSHOT | --plan PLAN}",
		Short: "Write a snapshot as an archive",
		Long: `Write a snapshot as an archive: a tar in zstd in age, in a folder of its own
below PLACE, which is a folder or any place a repository could lie in.

With --since only what changed since an earlier archive is written, and a list
of what went away. --since names that archive in PLACE, or its manifest.json if
it lies elsewhere; "latest" is the newest one of the same host and paths, and
without one a full archive is made. With --type differential the full archive
of that chain is compared with. The snapshot that was archived then must still
be in the repository, or in the copy that is read.

An archive is encrypted to the public keys of those who may open it, or with a
passphrase. What is inside is the same, byte for byte, each time the same
version of holdfast exports the same.

With --plan the newest snapshot of each source of a plan is exported, unless it
is archived already, as the "archives" section of the plan says: where to, to
whom, and for how long a chain of archives goes on before a full one is made.
The archives record when they may go; ` + "`holdfast storage apply --archives PLAN`" + ` has
the bucket delete them then.

An export that is interrupted leaves nothing that is taken for an archive: the
SHA256SUMS file is written last.`,
		Example: `  holdfast archive export latest --to /mnt/tape --recipient age1ql3z7hjy...
  holdfast archive export latest --to s3://cold/archives --recipients-file keys.txt --since latest
  holdfast archive export 3f9a0c11 --to /mnt/dvd --split 4480M --passphrase --expires 7y
  holdfast archive export --plan shop`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.plan != "" {
				return nil
			}
			return oneSnapshot(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.runArchiveExport(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.plan, "plan", "", "export what this `plan` protects, as holdfast.yaml says")
	fl.StringVar(&f.to, "to", "", "`place` for the archive: a folder, or a URL as for repositories")
	fl.StringVar(&f.name, "name", "", "`name` of the archive (default: time and ID of the snapshot, and type)")
	fl.StringVar(&f.kind, "type", "", "`type` of archive: full, incremental or differential (default: full, or incremental with --since)")
	fl.StringVar(&f.since, "since", "", "earlier `archive` that the new one is relative to, its manifest, or \"latest\"")
	fl.StringArrayVar(&f.recipients, "recipient", nil, "public `key` of who may open it: age1..., ssh-ed25519 ... or ssh-rsa ... (may be repeated)")
	fl.StringArrayVar(&f.recipientsFiles, "recipients-file", nil, "`file` with public keys, one a line (may be repeated)")
	fl.BoolVar(&f.passphrase, "passphrase", false, "encrypt with a passphrase, and ask for it")
	fl.StringVar(&f.passphraseFile, "passphrase-file", "", "encrypt with the passphrase in this `file`")
	fl.StringVar(&f.passphraseCommand, "passphrase-command", "", "encrypt with the passphrase that this `command` prints")
	fl.Var(&f.split, "split", "`size` of the parts, such as 4480M for a DVD (default: 1G in a folder, 4M growing to 64M elsewhere)")
	fl.Lookup("split").DefValue = ""
	fl.StringVar(&f.expires, "expires", "", "record that the archive may go this `time` after that of its snapshot, such as 7y or 90d; nothing here deletes it")
	fl.BoolVar(&f.restart, "restart", false, "remove what an interrupted export of this name left, and begin again")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "write nothing, only tell what would be written")
	f.chosen.register(fl, "H")
	return cmd
}

func (c *command) runArchiveExport(ctx context.Context, f *archiveExportFlags, args []string) error {
	var plan *archivePlan
	var err error
	if f.plan != "" {
		if plan, err = f.planned(c, args); err != nil {
			return err
		}
	}
	if f.to == "" {
		return errors.New("export where to? Name a place with --to, or a plan of holdfast.yaml with --plan")
	}
	o := archive.Options{Name: f.name, SplitBytes: int64(f.split), Program: programVersion(), Restart: f.restart, Progress: new(archive.Progress)}
	o.Warn = func(path string, err error) { c.ui.warn("export", printable(path), err) }
	if o.Keys, err = f.keys(ctx, c); err != nil {
		return err
	}
	if plan != nil {
		return c.archiveOfPlan(ctx, f, plan, o)
	}
	return c.loadedWork(ctx, func(ctx context.Context, r *repository.Repository, all []*snapshot.Snapshot) error {
		s, err := findSnapshot(all, f.chosen.filter(), args[0])
		if err != nil {
			return err
		}
		if o.Expires, err = f.expiry(s); err != nil {
			return err
		}
		shelf, err := c.openShelf(ctx, f.to, !f.dryRun)
		if f.dryRun && errors.Is(err, storage.ErrNotFound) && (f.since == "" || f.since == "latest") {
			o.Kind = archive.Full // the place is made first
			return c.foretellArchive(ctx, f, s, archive.Shelf{}, o)
		}
		if err != nil {
			return err
		}
		return errors.Join(c.archiveExport(ctx, f, r, all, s, shelf, o), storage.Close(shelf.Store))
	})
}

func (c *command) archiveExport(ctx context.Context, f *archiveExportFlags, r *repository.Repository, all []*snapshot.Snapshot, s *snapshot.Snapshot, shelf archive.Shelf, o archive.Options) error {
	var err error
	if o.Kind, o.Parent, err = f.parent(ctx, c, shelf, all, s); err != nil {
		return err
	}
	if f.dryRun {
		return c.foretellArchive(ctx, f, s, shelf, o)
	}
	o.Name = firstOf(o.Name, archive.DefaultName(s, o.Kind))
	start, total := time.Now(), work{}
	if o.Kind == archive.Full && s.Summary != nil {
		total.bytes = s.Summary.TotalBytesProcessed
	}
	watch := c.startProgress("archived", total, func() work {
		return work{items: o.Progress.Entries.Load(), bytes: o.Progress.Bytes.Load()}
	})
	m, err := archive.Export(ctx, r, s, shelf, o)
	watch.stop()
	if err != nil {
		return err
	}
	c.ui.message(archiveMessage{MessageType: "archived", Place: shelf.Store.Location(), Manifest: m, Bytes: m.Bytes(), Seconds: time.Since(start).Seconds()})
	c.ui.infof("archived snapshot %s of %s as %s in %s", s.ID.Short(), s.Time.Local().Format(timeFormat), m.Name, shelf.Store.Location())
	c.ui.infof("%s: %s, %s in %s, in %s", m.Kind, countOf(int(m.Entries), "item"), size.FormatBytes(uint64(m.Bytes())), //nolint:gosec // never negative
		countOf(len(m.Parts), "part"), size.FormatDuration(time.Since(start)))
	if m.Parent != nil {
		c.ui.infof("it needs %s, and what that needs, to be restored; %d paths went away since", m.Parent.Name, m.Deleted)
	}
	return nil
}

// archivePlanMessage tells which archive would be written.
type archivePlanMessage struct {
	MessageType string       `json:"message_type"` // "archive_plan"
	Place       string       `json:"place"`
	Name        string       `json:"name"`
	Kind        archive.Kind `json:"type"`
	Parent      string       `json:"parent,omitempty"`
	Snapshot    string       `json:"snapshot_id"`
	Recipients  []string     `json:"recipients"` // none with a passphrase
	// Bytes is what a full archive holds, before it is compressed; 0 for not
	// known.
	Bytes uint64 `json:"content_bytes,omitempty"`
}

// foretellArchive tells what an export would write, if nothing is in its way.
// A shelf without a store is one that is not there yet.
func (c *command) foretellArchive(ctx context.Context, f *archiveExportFlags, s *snapshot.Snapshot, shelf archive.Shelf, o archive.Options) error {
	o.Name = firstOf(o.Name, archive.DefaultName(s, o.Kind))
	if shelf.Store != nil {
		if err := archive.MayExport(ctx, s, shelf, o); err != nil {
			return err
		}
	}
	m := archivePlanMessage{
		MessageType: "archive_plan", Place: f.to, Name: o.Name, Kind: o.Kind,
		Snapshot: s.ID.String(), Recipients: append([]string{}, o.Keys.Public()...),
	}
	if o.Kind == archive.Full && s.Summary != nil {
		m.Bytes = s.Summary.TotalBytesProcessed
	}
	if o.Parent != nil {
		m.Parent = o.Parent.Name
	}
	c.ui.message(m)
	c.ui.infof("would archive snapshot %s of %s as %s in %s", s.ID.Short(), s.Time.Local().Format(timeFormat), m.Name, m.Place)
	return nil
}

// archiveMessage tells of one archive.
type archiveMessage struct {
	MessageType string `json:"message_type"` // "archived", "archive"
	Place       string `json:"place"`
	*archive.Manifest
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds,omitempty"`
}

// keys returns what the archive is encrypted to.
func (f *archiveExportFlags) keys(ctx context.Context, c *command) (k archive.Keys, err error) {
	for _, r := range f.recipients {
		if err := k.AddRecipient(r); err != nil {
			return k, err
		}
	}
	for _, path := range f.recipientsFiles {
		if err := k.AddRecipients(path); err != nil {
			return k, err
		}
	}
	passphrase, err := passphraseOf(ctx, f.passphraseFile, f.passphraseCommand)
	if err == nil && passphrase == nil && f.passphrase {
		passphrase, err = c.newPassphrase()
	}
	if err != nil {
		return k, err
	}
	if passphrase != nil {
		return k, k.SetPassphrase(passphrase)
	}
	if k.IsZero() {
		return k, errors.New("who may open the archive? Name public keys with --recipient or --recipients-file (age-keygen makes a pair), or use --passphrase")
	}
	return k, nil
}

// newPassphrase asks for one twice.
func (c *command) newPassphrase() ([]byte, error) {
	first, err := c.askPassword("passphrase for the archive: ")
	if err != nil {
		return nil, err
	}
	again, err := c.askPassword("the same passphrase again: ")
	if err == nil && string(again) != string(first) {
		err = errors.New("the passphrases differ; nothing was made")
	}
	return first, err
}

// expiry returns when the archive may go.
func (f *archiveExportFlags) expiry(s *snapshot.Snapshot) (time.Time, error) {
	if f.expires == "" {
		return time.Time{}, nil
	}
	d, err := retention.ParseDuration(f.expires)
	if err != nil {
		return time.Time{}, fmt.Errorf("--expires: %w", err)
	}
	return s.Time.AddDate(d.Years, d.Months, d.Days).Add(time.Duration(d.Hours) * time.Hour), nil
}

// parent finds what the archive is relative to; nil for a full one.
func (f *archiveExportFlags) parent(ctx context.Context, c *command, shelf archive.Shelf, all []*snapshot.Snapshot, s *snapshot.Snapshot) (archive.Kind, *archive.Manifest, error) {
	kind := archive.Full
	if f.since != "" {
		kind = archive.Incremental
	}
	if f.kind != "" {
		var err error
		if kind, err = archive.ParseKind(f.kind); err != nil {
			return "", nil, err
		}
	}
	switch {
	case kind == archive.Full && f.since != "":
		return "", nil, errors.New("a full archive is relative to nothing: leave out --since, or say --type incremental")
	case kind == archive.Full:
		return kind, nil, nil
	case f.since == "":
		return "", nil, fmt.Errorf("%s to which archive? Name it with --since, or say --since latest", kind)
	}
	parent, err := f.sinceWhich(ctx, c, shelf, all, s, kind)
	if err != nil {
		return "", nil, err
	}
	if parent == nil {
		c.ui.infof("%s has no earlier archive of the same host and paths: making a full one", shelf.Store.Location())
		return archive.Full, nil, nil
	}
	if snapshotOfTree(all, parent.Snapshot.Tree) == nil {
		return "", nil, fmt.Errorf("the repository does not have the snapshot any more that archive %s holds (%s of %s): export a full archive, and keep snapshots as long as they are compared with",
			parent.Name, parent.Snapshot.ID.Short(), parent.Snapshot.Time.Local().Format(timeFormat))
	}
	return kind, parent, nil
}

// sinceWhich finds the archive that --since means; nil if "latest" finds none.
func (f *archiveExportFlags) sinceWhich(ctx context.Context, c *command, shelf archive.Shelf, all []*snapshot.Snapshot, s *snapshot.Snapshot, kind archive.Kind) (*archive.Manifest, error) {
	if data, err := os.ReadFile(f.since); err == nil {
		m, err := archive.ParseManifest(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.since, err)
		}
		if kind == archive.Differential && m.Kind != archive.Full {
			return nil, fmt.Errorf("%s is of an archive of type %s: a differential one is relative to a full one", f.since, m.Kind)
		}
		return m, nil
	}
	name := f.since
	if name == "latest" {
		var err error
		if name, err = c.latestArchive(ctx, shelf, all, s); err != nil || name == "" {
			return nil, err
		}
	}
	// Another link to a chain that does not hold is of no use to anybody.
	chain, err := archive.Chain(ctx, name, []archive.Shelf{shelf})
	if err != nil {
		return nil, err
	}
	if kind == archive.Differential {
		return chain[0].Manifest, nil
	}
	return chain[len(chain)-1].Manifest, nil
}

// latestArchive returns the newest archive of an earlier snapshot of the same
// host and paths, or "".
func (c *command) latestArchive(ctx context.Context, shelf archive.Shelf, all []*snapshot.Snapshot, s *snapshot.Snapshot) (string, error) {
	list, err := shelf.List(ctx)
	if err != nil {
		return "", err
	}
	for _, a := range slices.Backward(list) {
		if a.Err != nil {
			c.ui.warn("export", a.Name, a.Err)
			continue
		}
		of := snapshotOfTree(all, a.Manifest.Snapshot.Tree)
		if of != nil && a.Manifest.Snapshot.Time.Before(s.Time) && of.Hostname == s.Hostname && slices.Equal(of.Paths, s.Paths) {
			return a.Name, nil
		}
	}
	return "", nil
}

func snapshotOfTree(all []*snapshot.Snapshot, tree id.ID) *snapshot.Snapshot {
	for _, s := range all {
		if s.Tree == tree {
			return s
		}
	}
	return nil
}
