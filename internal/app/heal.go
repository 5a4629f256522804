package app

import (
	"slices"

	"holdfast/internal/repair"
	"holdfast/internal/verify"
	"holdfast/repository"
)

// HealOptions turns what a check has found into what is to be healed.
func HealOptions(found *verify.Report, from []*repository.Repository, lost func(string, error)) repair.HealOptions {
	o := repair.HealOptions{From: from, Lost: lost, Packs: slices.Clone(found.BrokenPacks)}
	for n := range found.Problems {
		p := &found.Problems[n]
		switch {
		case p.Kind == verify.MissingBlob, p.Kind == verify.DamagedFile && p.File == repository.IndexFile:
			o.Missing = true
		case p.File == repository.PackFile && p.Kind == verify.UnreadableFile:
			o.Packs = append(o.Packs, p.ID)
		}
		if p.Kind != verify.DamagedFile && p.Kind != verify.UnreadableFile {
			continue
		}
		switch p.File {
		case repository.IndexFile, repository.SnapshotFile, repository.KeyFile:
			o.Files = append(o.Files, repair.File{Kind: p.File, ID: p.ID})
		}
	}
	return o
}
