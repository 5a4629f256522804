package cli

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/app/protect"
	"holdfast/internal/config"
	"holdfast/internal/source/postgres"
	"holdfast/repository/snapshot"
)

// protectPostgres is protect for a PostgreSQL server: from a connection string
// to a proven restore.
func (c *command) protectPostgres(ctx context.Context, f *protectFlags, args []string) error {
	if len(args) != 1 {
		return errors.New("a PostgreSQL server is protected by itself: name its connection string alone, and other things in a second command")
	}
	source, password, err := protect.Postgres(args[0])
	if err != nil {
		return err
	}
	p := &protection{command: c, flags: f, givenDSN: args[0]}
	source.DataDirectory = postgres.FindDirectory(ctx, args[0])
	p.request.Postgres, p.request.HasDSNPassword = source, password != ""
	if err := p.prepare(nil); err != nil {
		return err
	}
	unlock, err := protect.Lock(p.request.DataDir)
	if errors.Is(err, protect.ErrBusy) {
		return &codeError{exitLocked, err}
	}
	if err != nil {
		return err
	}
	return errors.Join(p.runPostgres(ctx, password), unlock())
}

// runPostgres sets up what is missing, backs up, and proves.
func (p *protection) runPostgres(ctx context.Context, password string) error {
	if err := postgres.Probe(ctx, p.givenDSN); err != nil {
		return err // before anything is written anywhere
	}
	if err := p.record(ctx); err != nil {
		return err
	}
	file, err := p.setup.KeepDSNPassword(password)
	if err != nil {
		return err
	}
	if password != "" {
		p.ui.warn("protect", "", fmt.Errorf("a password on the command line can be seen by others while it runs; it is kept in %s now: leave it out from now on", firstOf(file, "the place that holdfast.yaml names")))
	}
	if _, err := p.setup.EnsurePassword(); err != nil {
		return err
	}
	r, err := p.open(ctx)
	if err != nil {
		return err
	}
	err = p.setup.WriteKit(ctx, r, "", p.flags.withPassword)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	cfg, err := config.Load(p.setup.ConfigPath)
	if err != nil {
		return err
	}
	if _, err := p.ensureLogKeys(ctx, p.logRepository(cfg, p.setup.Name)); err != nil {
		return err
	}
	plan := &planRun{command: p.command, cfg: cfg, name: p.setup.Plan, plan: cfg.Plans[p.setup.Plan], kind: string(snapshot.Incremental)}
	if err := plan.backUp(ctx); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	log := walFlags{plan: p.setup.Plan, source: p.setup.Source}
	if err := p.withConfig(p.setup.ConfigPath).runVerify(ctx, &verifyFlags{plan: log.plan, source: log.source, point: pointNewest, from: cfg.Plans[p.setup.Plan].Repository, scratch: p.flags.scratch, user: "postgres"}); err != nil {
		return err
	}
	p.ui.infof("\n%s is protected in %s, by plan %s of %s.\nRecovery kit: %s (print it: it says how to get everything back without this machine)",
		p.setup.Source, p.setup.Repository.URL, p.setup.Plan, p.setup.ConfigPath, p.setup.KitPath())
	p.ui.infof("\nUntil the next backup, everything written from now on is at risk. To lose seconds at most, keep this running:\n  %s wal receive --plan %s\nand to restore to any instant:\n  %s restore --plan %s --to-time \"...\" --target DIR --start",
		programCall(), p.setup.Plan, programCall(), p.setup.Plan)
	return nil
}

// withConfig returns the command for a certain holdfast.yaml.
func (c *command) withConfig(path string) *command {
	with := *c
	with.global.config = path
	return &with
}
