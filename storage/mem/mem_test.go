package mem_test

import (
	"testing"

	"holdfast/storage"
	"holdfast/storage/mem"
	"holdfast/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Store { return mem.New() })
}

func TestCloneIsIndependent(t *testing.T) {
	ctx := t.Context()
	a := mem.New()
	a.Overwrite("shared", []byte("1"))
	b := a.Clone()
	if err := b.Delete(ctx, "shared"); err != nil {
		t.Fatal(err)
	}
	b.Overwrite("only-b", []byte("2"))

	if _, err := a.Stat(ctx, "shared"); err != nil {
		t.Errorf("deleting in the clone reached the original: %v", err)
	}
	if _, err := a.Stat(ctx, "only-b"); err == nil {
		t.Error("putting into the clone reached the original")
	}
}
