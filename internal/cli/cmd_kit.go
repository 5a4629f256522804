package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"filippo.io/age"

	"holdfast/internal/config"
	"holdfast/internal/evidence"
	"holdfast/internal/kit"
	"holdfast/internal/logarchive"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// kitFlags are the flags of `holdfast kit`.
type kitFlags struct {
	html    bool
	secrets bool
	output  string
}

func newKit(c *command) *cobra.Command {
	var f kitFlags
	cmd := &cobra.Command{
		Use:   "kit [flags]",
		Short: "Write the recovery kit of a repository: a page to print",
		Long: `Write the recovery kit of a repository: a page to print and to keep away from
the machine. It says where the repository is, how everything comes back with
holdfast, with restic and with age, which key it has, and when it was last
proven to be good.

With --secrets the password is on it too, and the key of the logs of databases
if there are any, each with a QR code. Without, there is a line to write the
password on. Who has that page and the repository can read everything.

No kit is kept in the repository: it names machines and folders, in the clear.`,
		Example: "  holdfast kit\n  holdfast kit --html --secrets --output kit.html",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runKit(cmd.Context(), &f) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.html, "html", false, "write HTML, for a browser to print")
	fl.BoolVar(&f.secrets, "secrets", false, "put the password on the page, with a QR code")
	fl.StringVar(&f.output, "output", "", "write to this `file`, which only you can read, instead of standard output")
	cmd.AddCommand(newKitCheck(c))
	return cmd
}

func (c *command) runKit(ctx context.Context, f *kitFlags) error {
	p, err := c.place()
	if err != nil {
		return err
	}
	password, err := p.password(ctx)
	if err != nil {
		return err
	}
	p.password = func(context.Context) ([]byte, error) { return password, nil } // asked once
	r, err := c.openPlace(ctx, p)
	if err != nil {
		return err
	}
	err = c.locked(ctx, r, repository.Shared, func(ctx context.Context, r *repository.Repository) error {
		k, err := c.kitOf(ctx, r, p)
		if err != nil {
			return err
		}
		if f.secrets {
			if err := addSecrets(ctx, r, k, password); err != nil {
				return err
			}
		}
		return c.writeKit(f, k)
	})
	return errors.Join(err, r.Close())
}

// kitOf gathers what the kit of a repository says, but for secrets.
func (c *command) kitOf(ctx context.Context, r *repository.Repository, p place) (*kit.Kit, error) {
	snapshots, err := c.snapshots(ctx, r)
	if err != nil {
		return nil, err
	}
	master, err := r.MasterKey()
	if err != nil {
		return nil, err
	}
	k := &kit.Kit{
		Location: r.Location(), ResticLocation: r.Location(), RepositoryID: r.ID(),
		KeyID: r.KeyID().String(), Fingerprint: kit.Fingerprint(master), Written: time.Now(),
	}
	k.Host, k.Paths = protectedBy(snapshots)
	if k.Proven, err = provenOf(ctx, r); err != nil {
		c.ui.warn("kit", "", err)
	}
	author, err := c.ownAuthor()
	if err != nil {
		c.ui.warn("kit", "", err)
	}
	if author != nil {
		k.EvidenceKey = author.Public().String()
	}
	if k.Name, err = c.repositoryName(p); err != nil {
		return nil, err
	}
	ref, err := c.passwordRef()
	if err != nil {
		return nil, err
	}
	if ref.IsZero() && p.configured != nil {
		ref = p.configured.Password
	}
	if !ref.IsZero() {
		k.PasswordPlace, k.PasswordFile = ref.Place(), ref.File
	}
	return k, nil
}

// maxKitPaths keeps the kit on one page.
const maxKitPaths = 8

// protectedBy returns the machines and paths that snapshots are of, those of
// the newest first.
func protectedBy(snapshots []*snapshot.Snapshot) (host string, paths []string) {
	var hosts []string
	for _, s := range slices.Backward(snapshots) {
		if !slices.Contains(hosts, s.Hostname) {
			hosts = append(hosts, s.Hostname)
		}
	}
	for _, s := range slices.Backward(snapshots) {
		for _, path := range s.Paths {
			if len(hosts) > 1 {
				path = s.Hostname + ": " + path
			}
			if path = printable(path); !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	if more := len(paths) - maxKitPaths; more > 0 {
		paths = append(paths[:maxKitPaths], fmt.Sprintf("and %d more", more))
	}
	return printable(strings.Join(hosts, ", ")), paths
}

// provenOf says when the repository was last found good, in words.
func provenOf(ctx context.Context, r *repository.Repository) (*kit.Proven, error) {
	good, _, err := evidence.Latest(ctx, r, time.Now())
	if good == nil {
		return &kit.Proven{}, err
	}
	how := "every pack read and found good"
	switch {
	case good.Kind == evidence.Proof && good.Snapshot != nil:
		how = "snapshot " + good.Snapshot.Short() + " restored, and compared with its source"
	case good.Kind == evidence.Restore && good.Snapshot != nil:
		how = "snapshot " + good.Snapshot.Short() + " restored and looked into"
	case good.Kind == evidence.ReadBack:
		how = "what was copied here read back and found good"
	case good.Read == evidence.Part:
		how = fmt.Sprintf("%.0f %% of the packs read and found good", 100*good.Share())
	}
	if good.Host != "" {
		how += ", by " + printable(good.Host)
	}
	return &kit.Proven{At: good.Time, How: how}, err
}

// repositoryName returns the name of the repository in holdfast.yaml, or "".
func (c *command) repositoryName(p place) (string, error) {
	if p.configured == nil {
		return "", nil
	}
	path, err := config.Find(c.global.config, os.Getenv)
	if err != nil {
		return "", err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Repositories)) {
		if cfg.Repositories[name].URL == p.url {
			return name, nil
		}
	}
	return "", nil
}

// addSecrets puts the password, and the keys of logs, into a kit.
func addSecrets(ctx context.Context, r *repository.Repository, k *kit.Kit, password []byte) error {
	k.Password = string(password)
	keys, err := logarchive.LoadKeys(ctx, r)
	if err != nil {
		return err
	}
	for _, i := range keys.Identities {
		if secret, ok := i.(*age.X25519Identity); ok {
			k.Identities = append(k.Identities, secret.String())
		}
	}
	return nil
}

// kitMessage is what --json prints.
type kitMessage struct {
	MessageType string `json:"message_type"` // "kit"
	// Page is the page, unless it was written to File.
	Page string `json:"page,omitempty"`
	File string `json:"file,omitempty"`
}

// writeKit writes the page to where it is wanted.
func (c *command) writeKit(f *kitFlags, k *kit.Kit) error {
	write := k.TextWithCodes
	if f.html {
		write = k.HTML
	}
	page, err := write()
	if err != nil {
		return err
	}
	if read, err := kit.Parse([]byte(page)); err != nil || read.Password != k.Password {
		c.ui.warn("kit", "", errors.New("the password has characters that a page cannot show; its QR code holds it as it is"))
	}
	if f.output == "" {
		c.ui.message(kitMessage{MessageType: "kit", Page: page})
		c.ui.printf("%s", page)
		return nil
	}
	if err := replaceKit(f.output, page); err != nil {
		return fmt.Errorf("write the kit: %w", err)
	}
	c.ui.message(kitMessage{MessageType: "kit", File: f.output})
	c.ui.infof("recovery kit written to %s; print it, and keep it away from this machine", f.output)
	if f.secrets {
		c.ui.infof("the password is on it: delete the file once it is printed")
	}
	return nil
}

// replaceKit writes a kit for its owner alone, in place of an older one but of
// no other file.
func replaceKit(path, page string) error {
	old, err := os.ReadFile(path)
	if err == nil && len(bytes.TrimSpace(old)) > 0 {
		if _, err := kit.Parse(old); err != nil {
			return fmt.Errorf("%s: %w, and is not replaced", path, err)
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) { // a killed run left it
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(page)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}
