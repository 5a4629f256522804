package repository

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/repository/id"
	"holdfast/storage"
	"holdfast/storage/fault"
	"holdfast/storage/local"
	"holdfast/storage/mem"
	"holdfast/test/tools"
)

func lockRepository(t *testing.T, r *Repository, m LockMode) (*Lock, context.Context) {
	t.Helper()
	l, ctx, err := r.Lock(t.Context(), m, LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return l, ctx
}

func unlock(t *testing.T, l *Lock) {
	t.Helper()
	if err := l.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem.New()
		r := initRepository(t, s, Options{})
		l, _ := lockRepository(t, r, Exclusive)
		var conflict *LockedError
		if _, _, err := r.Lock(t.Context(), Shared, LockOptions{}); !errors.As(err, &conflict) || !conflict.Other.Exclusive {
			t.Errorf("a second lock: %v", err)
		}
		seen := 0
		err := r.Locks(t.Context(), func(_ id.ID, info LockInfo, err error) error {
			seen++
			if err != nil || info.PID != os.Getpid() || !info.Exclusive {
				t.Errorf("%+v, %v", info, err)
			}
			return nil
		})
		if err != nil || seen != 1 {
			t.Errorf("%d locks, %v", seen, err)
		}
		unlock(t, l)
		if len(filesOf(t, s, LockFile)) != 0 {
			t.Error("the lock file is left")
		}
		ro := openRepository(t, s, Options{ReadOnly: true})
		if _, _, err := ro.Lock(t.Context(), Shared, LockOptions{}); !errors.Is(err, storage.ErrReadOnly) {
			t.Errorf("read-only: %v", err)
		}
	})
}

// The store of the locks fails until the lock is lost. Nothing that works
// under the lock changes anything after that.
func TestNothingChangesAfterTheLockIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fault.New(mem.New(), 1)
		r := initRepository(t, s, Options{})
		l, ctx := lockRepository(t, r, Exclusive)
		s.Add(fault.Rule{Prefix: "locks/", Op: fault.OpPut, Fault: fault.Before(errors.New("down"))},
			fault.Rule{Prefix: "locks/", Op: fault.OpList, Fault: fault.Delay(10 * time.Second)})
		time.Sleep(22*time.Minute + 35*time.Second) // the lock is being revived, slowly
		if ctx.Err() != nil {
			t.Fatal(context.Cause(ctx))
		}
		before := time.Now()
		err := r.store.Put(ctx, "data/x", storage.Bytes(nil), storage.PutOptions{})
		if !errors.Is(err, ErrLockLost) || time.Since(before) == 0 {
			t.Errorf("Put = %v after %v, want it held back and refused", err, time.Since(before))
		}
		if err := r.RemoveFile(ctx, PackFile, id.Random()); !errors.Is(err, ErrLockLost) {
			t.Errorf("RemoveFile = %v", err)
		}
		s.Clear()
		if err := r.store.Put(t.Context(), "data/y", storage.Bytes(nil), storage.PutOptions{}); err != nil {
			t.Errorf("the gate stays frozen: %v", err)
		}
		unlock(t, l)
	})
}

func TestRemoveStaleLocks(t *testing.T) {
	s := mem.New()
	r := initRepository(t, s, Options{})
	put := func(lock LockInfo) id.ID {
		plain, err := json.Marshal(lock)
		if err != nil {
			t.Fatal(err)
		}
		i, err := r.saveUnpacked(t.Context(), LockFile, plain)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	fresh := put(LockInfo{Time: time.Now(), Hostname: "elsewhere", PID: 1})
	put(LockInfo{Time: time.Now().Add(-time.Hour), Hostname: "elsewhere", PID: 1})
	unreadable := id.Random()
	s.Overwrite(LockFile.Key(unreadable), []byte("?"))
	s.Overwrite(LockFile.Key(id.Random()), nil)
	if n, err := r.RemoveStaleLocks(t.Context(), false); err != nil || n != 2 {
		t.Errorf("removed %d, %v", n, err)
	}
	left := filesOf(t, s, LockFile)
	if _, ok := left[fresh]; !ok || len(left) != 2 {
		t.Errorf("left: %v", left)
	}
	if n, err := r.RemoveStaleLocks(t.Context(), true); err != nil || n != 2 || len(filesOf(t, s, LockFile)) != 0 {
		t.Errorf("removed %d, %v", n, err)
	}
}

// restic respects our locks, and we respect its.
func TestLocksAreRestics(t *testing.T) {
	if testing.Short() {
		t.Skip("runs restic")
	}
	dir := filepath.Join(t.TempDir(), "repo")
	s, err := local.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := initRepository(t, s, Options{})
	l, _ := lockRepository(t, r, Exclusive)
	cmd := exec.CommandContext(t.Context(), tools.Restic(t), "-r", dir, "--no-cache", "snapshots")
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+string(testPassword))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 11 || !strings.Contains(string(out), "locked exclusively") {
		t.Errorf("restic: %v\n%s", err, out)
	}
	unlock(t, l)

	// restic reads its input, and holds its lock, until we let it.
	backup := exec.CommandContext(t.Context(), tools.Restic(t), "-r", dir, "--no-cache", "backup", "--stdin")
	backup.Env = cmd.Env
	stdin, err := backup.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := backup.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write(make([]byte, 1<<20)); err != nil { // returns when restic reads
		t.Fatal(err)
	}
	var conflict *LockedError
	if _, _, err := r.Lock(t.Context(), Exclusive, LockOptions{}); !errors.As(err, &conflict) || conflict.Other.PID != backup.Process.Pid || conflict.Stale {
		t.Errorf("beside restic: %v", err)
	}
	shared, _ := lockRepository(t, r, Shared)
	unlock(t, shared)
	if err := errors.Join(stdin.Close(), backup.Wait()); err != nil {
		t.Error(err)
	}
	exclusive, _ := lockRepository(t, r, Exclusive)
	unlock(t, exclusive)
	if found, err := r.Snapshots(t.Context()); err != nil || len(found) != 1 {
		t.Errorf("%d snapshots, %v", len(found), err)
	}
}
