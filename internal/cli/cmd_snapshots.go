package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/size"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// snapshotsFlags are the flags of `holdfast snapshots`.
type snapshotsFlags struct {
	chosen  selectFlags
	latest  int
	groupBy string
	compact bool
}

func newSnapshots(c *command) *cobra.Command {
	var f snapshotsFlags
	cmd := &cobra.Command{
		Use:   "snapshots [flags] [SNAPSHOT...]",
		Short: "List the snapshots in the repository",
		Long: `List the snapshots in the repository, the newest last: all of them, those named,
or those that --host, --tag and --path choose.

Size is what restoring the snapshot would write, as far as the backup recorded
it. Type is the backup type, for snapshots that holdfast made.`,
		Example: `  holdfast snapshots
  holdfast snapshots --host www --path /var/www --latest 3
  holdfast snapshots --group-by host,paths --compact
  holdfast snapshots --json | jq -r '.[-1].id'`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runSnapshots(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	c.registerAsOf(fl)
	f.chosen.register(fl, "H")
	fl.IntVar(&f.latest, "latest", 0, "only the newest `n` of each host and set of paths")
	fl.StringVarP(&f.groupBy, "group-by", "g", "", "show groups of snapshots, divided by `host,paths,tags`")
	fl.BoolVarP(&f.compact, "compact", "c", false, "leave out the paths, one line for each snapshot")
	return cmd
}

func (c *command) runSnapshots(ctx context.Context, f *snapshotsFlags, args []string) error {
	by, err := snapshot.ParseGroupBy(f.groupBy)
	if err != nil {
		return err
	}
	if f.latest < 0 {
		return errors.New("--latest wants the number of snapshots to show, at least 1")
	}
	return c.listedWork(ctx, func(_ context.Context, _ *repository.Repository, list []*snapshot.Snapshot) error {
		list, err := f.chosen.choose(list, args)
		if err != nil {
			return err
		}
		groups := []snapshot.Group{{Snapshots: list}}
		if f.groupBy != "" {
			groups = by.Divide(list)
		}
		for n := range groups {
			groups[n].Snapshots = latestOfEach(groups[n].Snapshots, f.latest)
		}
		c.showSnapshots(groups, f)
		return nil
	})
}

// latestOfEach returns the newest snapshots of each host and set of paths,
// oldest first. With n = 0 all of them are.
func latestOfEach(list []*snapshot.Snapshot, n int) []*snapshot.Snapshot {
	list = snapshot.Sorted(list)
	if n == 0 {
		return list
	}
	by := snapshot.GroupBy{Host: true, Paths: true}
	seen := make(map[string]int)
	var latest []*snapshot.Snapshot
	for _, s := range slices.Backward(list) {
		key := by.Key(s).JSON()
		if seen[key]++; seen[key] <= n {
			latest = append(latest, s)
		}
	}
	slices.Reverse(latest)
	return latest
}

// snapshotMessage is a snapshot in a list, in restic's words and with its
// type.
type snapshotMessage struct{ *snapshot.Snapshot }

// MarshalJSON adds what is no part of the stored snapshot, at the end.
func (m snapshotMessage) MarshalJSON() ([]byte, error) {
	return appendFields(m.Snapshot, struct {
		ID      string        `json:"id"`
		ShortID string        `json:"short_id"`
		Type    snapshot.Type `json:"type,omitempty"`
	}{m.ID.String(), m.ID.Short(), m.Type()})
}

// appendFields returns the JSON of one object with the fields of a second
// behind its own. Neither is empty.
func appendFields(first, second any) ([]byte, error) {
	a, err := json.Marshal(first)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(second)
	if err != nil {
		return nil, err
	}
	a[len(a)-1] = ','
	return append(a, b[1:]...), nil
}

// groupMessage is a group of snapshots, in restic's words.
type groupMessage struct {
	GroupKey  snapshot.Key      `json:"group_key"`
	Snapshots []snapshotMessage `json:"snapshots"`
}

func (c *command) showSnapshots(groups []snapshot.Group, f *snapshotsFlags) {
	if c.ui.json {
		c.ui.message(snapshotMessages(groups, f.groupBy != ""))
		return
	}
	for _, g := range groups {
		if f.groupBy != "" {
			c.ui.printf("snapshots of (%s):\n", printable(g.Key.String()))
		}
		c.ui.table(snapshotTable(g.Snapshots, f.compact))
		c.ui.infof("%s\n", countOf(len(g.Snapshots), "snapshot"))
	}
}

// snapshotMessages returns what --json prints: a list of groups or, without
// grouping, of snapshots.
func snapshotMessages(groups []snapshot.Group, grouped bool) any {
	list := []groupMessage{}
	for _, g := range groups {
		m := groupMessage{GroupKey: g.Key, Snapshots: []snapshotMessage{}}
		for _, s := range g.Snapshots {
			m.Snapshots = append(m.Snapshots, snapshotMessage{s})
		}
		list = append(list, m)
	}
	if !grouped {
		return list[0].Snapshots
	}
	return list
}

// snapshotTable returns a table of snapshots. One with several paths takes
// as many lines.
func snapshotTable(list []*snapshot.Snapshot, compact bool) (header []string, rows [][]string) {
	header = []string{"ID", "Time", "Host", "Type", "Tags", sizeHeader, "Paths"}
	for _, s := range list {
		tags := strings.Join(s.UserTags(), ",")
		row := []string{s.ID.Short(), s.Time.Local().Format(timeFormat), printable(s.Hostname), typeOf(s), printable(tags), restoreSize(s)}
		if compact {
			rows = append(rows, row)
			continue
		}
		rows = append(rows, append(row, printable(strings.Join(s.Paths[:min(1, len(s.Paths))], ""))))
		for _, path := range s.Paths[min(1, len(s.Paths)):] {
			rows = append(rows, []string{"", "", "", "", "", "", printable(path)})
		}
	}
	if compact {
		header = header[:len(header)-1]
	}
	return header, rows
}

// typeOf is the type of a snapshot, and whether it has something damaged.
func typeOf(s *snapshot.Snapshot) string {
	if s.Damaged() != "" {
		return string(s.Type()) + ", damaged " + printable(s.Damaged())
	}
	return string(s.Type())
}

// sizeHeader and sizeFormat line sizes up to the right.
const (
	sizeHeader = "       Size"
	sizeFormat = "%11s"
)

// restoreSize returns how large the files of a snapshot are, as far as it
// tells.
func restoreSize(s *snapshot.Snapshot) string {
	if s.Summary == nil {
		return ""
	}
	return fmt.Sprintf(sizeFormat, size.FormatBytes(s.Summary.TotalBytesProcessed))
}
