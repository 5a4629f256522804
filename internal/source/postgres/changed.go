package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/repository/tree"
)

// changes are what a backup needs to know to compose whole files from what the
// server sends: the blocks that changed since an earlier backup.
type changes struct {
	earlier Earlier
	// manifest is that of the earlier backup, files what it lists.
	manifest []byte
	files    map[string]manifestFile
	// folder is the one that was looked into last, and nodes what is in it.
	looked bool
	folder string
	nodes  map[string]*tree.Node
	// blockBytes is the size of a page, segmentBlocks how many of them a file
	// of a relation has at most.
	blockBytes, segmentBlocks int64

	mu       sync.Mutex
	composed map[string]composedFile // by the name under which they were sent
}

// composedFile is a file that is not stored as it was sent.
type composedFile struct {
	name string
	fileSum
}

// changesVersion is the first server version that can send changes.
const changesVersion = 17

// refusal says why changes cannot be had, though a full backup may be.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

// startChanged begins a backup of what has changed, or a full one if that
// cannot be had.
func startChanged(ctx context.Context, o Options) (*Backup, error) {
	full, begun, warnings := o, false, []string{}
	full.Earlier = nil
	o.Warn = func(message string) {
		switch {
		case !begun:
			warnings = append(warnings, message)
		case full.Warn != nil:
			full.Warn(message)
		}
	}
	b, err := start(ctx, o)
	var refused *refusal
	if errors.As(err, &refused) { // what the server warned of was that it ends the attempt
		if b, err = start(ctx, full); err == nil {
			b.Full = refused.why
		}
		return b, err
	}
	begun = true
	for _, message := range warnings {
		o.Warn(message)
	}
	return b, err
}

// askForChanges tells the server since when changes are wanted. A *refusal
// says why that cannot be.
func (b *Backup) askForChanges(ctx context.Context, timeline string) error {
	if major := majorOf(b.conn.ParameterStatus("server_version")); major < changesVersion {
		return &refusal{fmt.Sprintf("PostgreSQL %d cannot send only what has changed; version %d and later can", major, changesVersion)}
	}
	if keeps, err := b.show(ctx, "summarize_wal"); err != nil {
		return err
	} else if keeps != "on" {
		return &refusal{"the server does not note which blocks change; set summarize_wal = on and reload it"}
	}
	c := &changes{earlier: b.o.Earlier, composed: map[string]composedFile{}}
	why, err := c.readManifest(ctx, b.System, timeline)
	if err != nil {
		return err
	}
	if why != "" {
		return &refusal{why}
	}
	if err := b.askSizes(ctx, c); err != nil {
		return err
	}
	if _, err := b.conn.CopyFrom(ctx, bytes.NewReader(c.manifest), "UPLOAD_MANIFEST"); err != nil {
		return refusalOf(fmt.Errorf("tell the server of the earlier backup: %w", err))
	}
	b.changes = c
	return nil
}

// refusalOf makes a refusal of an error with which a server says that changes
// cannot be had. Others stay: with those a full backup would not be made, too.
func refusalOf(err error) error {
	var told *pgconn.PgError
	if !errors.As(err, &told) || told.Code == insufficientPrivilege {
		return err
	}
	switch told.Code[:2] {
	case classAuthorization, classResources, classIntervention, classSystem:
		return err
	}
	why := told.Message
	if told.Detail != "" {
		why += " (" + strings.TrimSuffix(told.Detail, ".") + ")"
	}
	return &refusal{"the server says: " + why}
}

// The SQLSTATE, and classes of them, that are no refusals: no right, no room,
// shut down, disk errors.
const (
	insufficientPrivilege = "42501"
	classAuthorization    = "28"
	classResources        = "53"
	classIntervention     = "57"
	classSystem           = "58"
)

// readManifest reads the manifest of the earlier backup, and says why changes
// since cannot be used for one of this cluster; "" if they can.
func (c *changes) readManifest(ctx context.Context, system, timeline string) (why string, err error) {
	c.manifest, err = c.earlier.Read(ctx, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return "the earlier backup has no manifest", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the manifest of the earlier backup: %w", err)
	}
	m, err := parseManifest(c.manifest)
	if err != nil {
		return fmt.Sprintf("the manifest of the earlier backup is of no use: %v", err), nil
	}
	switch last := m.lastTimeline(); {
	case m.Version < 2:
		return "the earlier backup is of a version of PostgreSQL that cannot send only what has changed", nil
	case strconv.FormatUint(m.System, 10) != system:
		return fmt.Sprintf("the earlier backup is of another cluster (system identifier %d, and this one has %s)", m.System, system), nil
	case strconv.FormatUint(uint64(last), 10) != timeline:
		return fmt.Sprintf("the server is on timeline %s, and was on %d at the earlier backup", timeline, last), nil
	}
	c.files = make(map[string]manifestFile, len(m.Files))
	for _, f := range m.Files {
		name, err := f.name()
		if err != nil {
			return fmt.Sprintf("the manifest of the earlier backup is of no use: %v", err), nil
		}
		if isRelation(name) && f.Algorithm != checksumAlgorithm {
			return fmt.Sprintf("the manifest of the earlier backup has no %s checksum of %s", checksumAlgorithm, name), nil
		}
		c.files[name] = f
	}
	return "", nil
}

// lastTimeline returns the timeline that the backup ended on.
func (m *manifest) lastTimeline() (last uint32) {
	for _, r := range m.Ranges {
		last = max(last, r.Timeline)
	}
	return last
}

// file returns a file of the earlier backup; nil if there is none.
func (c *changes) file(ctx context.Context, name string) (*tree.Node, error) {
	folder, file := path.Split(name)
	if !c.looked || c.folder != folder {
		nodes, err := c.earlier.Folder(ctx, strings.TrimSuffix(folder, "/"))
		if err != nil {
			return nil, fmt.Errorf("look for %s in the earlier backup: %w", name, err)
		}
		c.folder, c.nodes, c.looked = folder, nodes, true
	}
	return c.nodes[file], nil
}

// askSizes asks for the sizes that a server is built with.
func (b *Backup) askSizes(ctx context.Context, c *changes) error {
	block, err := b.show(ctx, "block_size")
	if err != nil {
		return err
	}
	segment, err := b.show(ctx, "segment_size")
	if err != nil {
		return err
	}
	c.blockBytes, err = strconv.ParseInt(block, 10, 64)
	if err != nil || c.blockBytes < 1<<10 || finePages%c.blockBytes != 0 {
		return fmt.Errorf("the server says that block_size is %q", block)
	}
	bytes, err := parseSize(segment)
	if err != nil {
		return fmt.Errorf("the server says that segment_size is %q", segment)
	}
	c.segmentBlocks = bytes / c.blockBytes
	return nil
}

// parseSize reads a size as servers write it.
func parseSize(text string) (int64, error) {
	number := strings.TrimRight(text, "kMGTB")
	shift := map[string]int{"B": 0, "kB": 10, "MB": 20, "GB": 30, "TB": 40}[text[len(number):]]
	n, err := strconv.ParseInt(number, 10, 32)
	return n << shift, err
}

// show returns a setting of the server.
func (b *Backup) show(ctx context.Context, setting string) (string, error) {
	results, err := b.conn.Exec(ctx, "SHOW "+setting).ReadAll()
	if err != nil {
		return "", fmt.Errorf("ask the server for %s: %w", setting, err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1 {
		return "", fmt.Errorf("ask the server for %s: no answer", setting)
	}
	return string(results[0].Rows[0][0]), nil
}

// note notes a file that is not stored as it was sent.
func (c *changes) note(sent string, f composedFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.composed[sent] = f
}
