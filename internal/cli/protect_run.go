package cli

import (
	"context"
	"fmt"

	"holdfast/internal/app/protect"
	"holdfast/internal/backup"
	"holdfast/internal/config"
	"holdfast/internal/restore"
	"holdfast/internal/source/files"
	"holdfast/internal/verify/proof"
	"holdfast/repository"
	"holdfast/repository/snapshot"
)

// protect takes the backup and proves it, under the lock.
func (p *protection) protect(ctx context.Context, r *repository.Repository) error {
	o, err := p.backupOptions(ctx, r)
	if err != nil {
		return err
	}
	if err := p.setup.WriteKit(ctx, r, o.Snapshot.Hostname, p.flags.withPassword); err != nil {
		return err
	}
	src, err := p.source(r)
	if err != nil {
		return err
	}
	watch := p.watchBackup(ctx, src, &o)
	receipt, err := backup.Run(ctx, r, src, o)
	watch.stop()
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	test := p.beginTest(r, receipt.Snapshot)
	proven, err := p.prove(ctx, r, src, receipt.Snapshot)
	if err != nil {
		p.ui.warn("prove", "", fmt.Errorf("snapshot %s was saved, but is not proven", receipt.Snapshot.ID.Short()))
		return fmt.Errorf("prove the backup: %w; run the same command again", err)
	}
	p.keepEvidence(ctx, r, testEvidence(ctx, test, proven, receipt.Snapshot))
	if err := p.report(r, receipt, proven); err != nil {
		return err
	}
	return protectVerdict(receipt, proven)
}

// protectVerdict turns what became of backup and proof into the error that the
// command ends with.
func protectVerdict(receipt *backup.Receipt, proven *proof.Proof) error {
	if !proven.Holds() {
		return fmt.Errorf("the restore test FAILED: %s did not come back right, each named above. "+
			"Keep the source, find out more with `holdfast check --read-data`, and run this again", countOf(proven.Differences, "item"))
	}
	if receipt.Errors > 0 {
		return errIncomplete(fmt.Errorf("what could not be read whole is not protected: %s, each named above. "+
			"Make them readable, or leave them out with \"exclude\" in holdfast.yaml", countOf(uint64(receipt.Errors), "item"))) //nolint:gosec // a count
	}
	return nil
}

func (p *protection) backupOptions(ctx context.Context, r *repository.Repository) (backup.Options, error) {
	o := backup.Options{Type: snapshot.Incremental, Concurrency: files.ReaderConcurrency(p.setup.Files.Paths[0])}
	var err error
	if o.Snapshot, err = newSnapshot("", "", nil); err != nil {
		return o, err
	}
	o.Snapshot.SetPlan(p.setup.Plan)
	o.Snapshot.SetSource(p.setup.Source)
	o.Snapshot.Excludes = p.setup.Files.Exclude
	if o.Snapshot.Paths, err = snapshotPaths(p.setup.Files.Paths); err != nil {
		return o, err
	}
	if o.GroupBy, err = snapshot.ParseGroupBy("host,paths"); err != nil {
		return o, err
	}
	if o.Writer.Compression, err = repository.ParseCompression("auto"); err != nil {
		return o, err
	}
	o.Snapshots, err = p.loadAll(ctx, r)
	return o, err
}

// source builds the source as holdfast.yaml describes it, without what
// holdfast itself works with: the repository, its password and kit, the
// cache and the scratch folder.
func (p *protection) source(r *repository.Repository) (*files.Source, error) {
	f := sourceFlagsOf(p.setup.Files)
	rules, err := f.rules(p.command)
	if err != nil {
		return nil, err
	}
	if rules.Forbidden, err = ownFolders(p.command, r); err != nil {
		return nil, err
	}
	scratch, err := files.Identify(p.scratch.Path())
	if err != nil {
		return nil, err
	}
	rules.Forbidden = append(rules.Forbidden, scratch)
	rules.Patterns = append(rules.Patterns, exactly{p.setup.Repository.Password.File, p.setup.KitPath()})
	return files.New(files.Config{
		Paths: p.setup.Files.Paths, Rules: rules, WithAccessTime: f.withAccessTime,
		Warn: func(path string, err error) { p.ui.warn("scan", path, err) },
	})
}

// exactly matches some paths.
type exactly []string

// Match implements files.Matcher.
func (e exactly) Match(path string) bool {
	for _, p := range e {
		if p == path {
			return true
		}
	}
	return false
}

// sourceFlagsOf returns the flags that say the same as a source of
// holdfast.yaml.
func sourceFlagsOf(f config.Files) *sourceFlags {
	return &sourceFlags{
		excludes: f.Exclude, iexcludes: f.IExclude,
		excludeFiles: f.ExcludeFiles, iexcludeFiles: f.IExcludeFiles,
		excludeCaches: f.ExcludeCaches, ifPresent: f.ExcludeIfPresent,
		largerThan: f.ExcludeLargerThan, oneFileSystem: f.OneFileSystem, withAccessTime: f.WithAccessTime,
	}
}

// prove restores the snapshot and compares it with the source.
func (p *protection) prove(ctx context.Context, r *repository.Repository, src *files.Source, s *snapshot.Snapshot) (*proof.Proof, error) {
	compared, restored := new(proof.Progress), new(restore.Progress)
	var watch *progress
	stop := func() {
		if watch != nil {
			watch.stop()
		}
	}
	defer func() { stop() }()
	return protect.Prove(ctx, r, s, protect.ProofOptions{
		Source: src, Scratch: p.scratch, Limit: uint64(p.flags.scratchLimit),
		Progress: compared, Restored: restored,
		OnPhase: func(phase string, part, parts int, bytes uint64) {
			stop()
			watch = p.watchPhase(phase, part, parts, bytes, compared, restored)
		},
		OnRestore:    func(path string, err error) { p.ui.warn("restore", path, err) },
		OnDifference: func(path string, err error) { p.ui.warn("prove", path, err) },
	})
}

// watchPhase shows how far one phase of the proof is.
func (p *protection) watchPhase(phase string, part, parts int, bytes uint64, compared *proof.Progress, restored *restore.Progress) *progress {
	done := func() work {
		return work{items: compared.Items.Load(), bytes: compared.Bytes.Load(), errors: compared.Differences.Load()}
	}
	if phase == "restore" {
		done = func() work {
			return work{items: restored.ItemsRestored.Load(), bytes: restored.BytesRestored.Load(), errors: restored.Errors.Load()}
		}
	}
	if parts > 1 {
		phase = fmt.Sprintf("%s, part %d of %d", phase, part, parts)
	}
	before := done()
	return p.startProgress("restore test: "+phase, work{bytes: bytes}, func() work {
		now := done()
		return work{items: now.items - before.items, bytes: now.bytes - before.bytes, errors: now.errors}
	})
}
