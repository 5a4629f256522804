package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"holdfast/internal/kit"
	"holdfast/repository"
)

func newKitCheck(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "check [flags] PAGE",
		Short: "Hold a recovery kit to its repository",
		Long: `Hold a recovery kit, the file that the page was printed from, to its
repository: whether that lies where the page says, has the ID and the key that
it names, and opens with its password. -r names another place for it. The page
is read from standard input if it is "-".

If the password is not on the page it comes from where it always does.`,
		Example: "  holdfast kit check kit.html",
		Args:    wantArgs(1, 1, "the file of a recovery kit"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runKitCheck(cmd.Context(), args[0]) },
	}
}

// kitCheckedMessage tells whether a kit fits.
type kitCheckedMessage struct {
	MessageType string   `json:"message_type"` // "kit_checked"
	Good        bool     `json:"good"`
	Location    string   `json:"location"`
	Repository  string   `json:"repository_id"`
	Opened      string   `json:"opened_with"` // "kit" or "given"
	Problems    []string `json:"problems"`
}

func (c *command) runKitCheck(ctx context.Context, file string) error {
	page, err := c.readPage(file)
	if err != nil {
		return fmt.Errorf("read the kit: %w", err)
	}
	k, err := kit.Parse(page)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	p, with, err := c.placeOfKit(k)
	if err != nil {
		return err
	}
	m := kitCheckedMessage{MessageType: "kit_checked", Location: p.url, Repository: k.RepositoryID, Opened: with, Problems: []string{}}
	r, err := c.openPlace(ctx, p)
	switch {
	case errors.Is(err, repository.ErrWrongPassword) && with == "kit":
		m.Problems = append(m.Problems, "the password on the page does not open the repository")
	case errors.Is(err, repository.ErrNoRepository):
		m.Problems = append(m.Problems, fmt.Sprintf("there is no repository at %s: %v", p.url, err))
	case err != nil:
		return err
	default:
		err := c.holdKit(ctx, r, k, &m)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	return c.reportKit(file, k, m)
}

// maxPage bounds the page of a kit, with its QR codes.
const maxPage = 4 << 20

func (c *command) readPage(file string) ([]byte, error) {
	if file != "-" {
		return os.ReadFile(file)
	}
	return io.ReadAll(io.LimitReader(c.streams.In, maxPage))
}

// placeOfKit returns the place that a kit names, unless the user names
// another, and whether it opens with the password of the kit or a given one.
func (c *command) placeOfKit(k *kit.Kit) (place, string, error) {
	at := *c
	if at.global.repo == "" && at.global.repositoryFile == "" {
		at.global.repo = k.Location
	}
	p, err := at.place()
	if err != nil || k.Password == "" {
		return p, "given", err
	}
	p.password = func(context.Context) ([]byte, error) { return []byte(k.Password), nil }
	return p, "kit", nil
}

// holdKit holds what a kit says to the repository that opened.
func (c *command) holdKit(ctx context.Context, r *repository.Repository, k *kit.Kit, m *kitCheckedMessage) error {
	wrong := func(format string, args ...any) { m.Problems = append(m.Problems, fmt.Sprintf(format, args...)) }
	if r.ID() != k.RepositoryID {
		wrong("the repository has the ID %s, the page says %s: it is another one", r.ID(), k.RepositoryID)
	}
	master, err := r.MasterKey()
	if err != nil {
		return err
	}
	if got := kit.Fingerprint(master); k.Fingerprint != "" && k.Fingerprint != got {
		wrong("the key of the repository has the fingerprint %s, the page says %s", got, k.Fingerprint)
	}
	keys, err := r.Keys(ctx)
	if err != nil && !repository.IsCorrupt(err) {
		return err
	}
	for _, key := range keys {
		if key.ID.String() == k.KeyID {
			return nil
		}
	}
	if k.KeyID != "" {
		wrong("the repository has no key %.8s any more: its password was changed since the page was made", k.KeyID)
	}
	return nil
}

func (c *command) reportKit(file string, k *kit.Kit, m kitCheckedMessage) error {
	m.Good = len(m.Problems) == 0
	c.ui.message(m)
	if !m.Good {
		for _, problem := range m.Problems {
			c.ui.warn("kit", "", errors.New(problem))
		}
		return fmt.Errorf("%s does not fit its repository: print a new one with `holdfast kit`, and destroy the old", file)
	}
	opened := "with the password given; none is on the page"
	if m.Opened == "kit" {
		opened = "with the password on the page"
	}
	c.ui.infof("%s fits: repository %.8s at %s, opened %s", file, k.RepositoryID, m.Location, opened)
	return nil
}
