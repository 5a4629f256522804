package compress

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"holdfast/test/tools"
)

// decoders are a decoder with the assembly, where there is one, and one
// without, and the library's, which they are compared with.
type decoders struct {
	fast, plainly *Decoder
	library       *zstd.Decoder
}

func newDecoders(t testing.TB) *decoders {
	t.Helper()
	library, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(library.Close)
	return &decoders{NewDecoder(), makeDecoder(false), library}
}

// guarded appends a frame's plaintext to bytes that it must not touch, with
// others behind the room that it may use.
func guarded(d *Decoder, frame []byte, n int) ([]byte, error) {
	const guard = 64
	before := bytes.Repeat([]byte{0xa5}, guard)
	memory := bytes.Repeat([]byte{0xa5}, guard+n+Slack+guard)
	// The frame ends where its memory does, so that reading on is found out.
	got, err := d.Append(memory[:guard:guard+n+Slack], bytes.Clone(frame), n)
	if !bytes.Equal(memory[:guard], before) || !bytes.Equal(memory[guard+n+Slack:], before) {
		return nil, errors.New("wrote where it must not")
	}
	if err != nil {
		if len(got) != guard {
			return nil, errors.New("an error, and something was appended")
		}
		return nil, err
	}
	return got[guard:], nil
}

// judge holds both of our decoders to each other, and what they read to what the
// library reads. It tells whether they read the frame.
func (d *decoders) judge(frame []byte, n int) (read bool, err error) {
	fast, err := guarded(d.fast, frame, n)
	plainly, err2 := guarded(d.plainly, frame, n)
	switch {
	case err != nil && !errors.Is(err, ErrNotRead):
		return false, err
	case err2 != nil && !errors.Is(err2, ErrNotRead):
		return false, fmt.Errorf("plainly: %w", err2)
	case !errors.Is(err2, err) || !bytes.Equal(fast, plainly):
		return false, fmt.Errorf("%w, and plainly %w, or not the same bytes", err, err2)
	case err != nil:
		return false, nil
	}
	want, err := d.library.DecodeAll(frame, make([]byte, 0, n))
	if err != nil {
		return true, fmt.Errorf("the library does not read it: %w", err)
	}
	if !bytes.Equal(fast, want) {
		return true, errors.New("the library reads something else")
	}
	return true, nil
}

// reads has a frame read as plain.
func (d *decoders) reads(t testing.TB, name string, frame, plain []byte) {
	t.Helper()
	read, err := d.judge(frame, len(plain))
	if err != nil || !read {
		t.Fatalf("%s, %d bytes: read: %v, %v", name, len(plain), read, err)
	}
	got, err := guarded(d.fast, frame, len(plain))
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%s, %d bytes: something else came back, or %v", name, len(plain), err)
	}
}

// plaintexts are of many kinds and lengths.
func plaintexts(r *rand.Rand) map[string][]byte {
	plain := hostile(r)
	for n := range 25 {
		plain[fmt.Sprint("text of ", n)] = text(r, n)
		plain[fmt.Sprint("patches of ", n)] = patch(r, n)
		plain[fmt.Sprint("some text ", n)] = text(r, r.IntN(1<<r.IntN(17)))
		plain[fmt.Sprint("some patches ", n)] = patch(r, r.IntN(1<<r.IntN(17)))
		plain[fmt.Sprint("values, ", n)] = randomBytes(r, r.IntN(1<<r.IntN(17)), 2+r.IntN(200))
	}
	for n := range 40 { // offsets of all small sizes
		plain[fmt.Sprint("period ", n+1)] = append(text(r, 50), bytes.Repeat(randomBytes(r, n+1, 256), 200)...)
	}
	return plain
}

func TestDecoderReadsOurs(t *testing.T) {
	d, r := newDecoders(t), rand.New(rand.NewPCG(21, 22))
	for _, e := range []*Encoder{NewEncoder(), NewNear()} {
		for name, plain := range plaintexts(r) {
			d.reads(t, name, e.Append(nil, plain), plain)
		}
	}
}

func TestDecoderReadsTheLibrarys(t *testing.T) {
	d, r := newDecoders(t), rand.New(rand.NewPCG(23, 24))
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
		for _, window := range []int{1 << 10, 1 << 19} {
			e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1))
			if err != nil {
				t.Fatal(err)
			}
			for name, plain := range plaintexts(r) {
				if len(plain) > 0 && len(plain) < 1<<18 { // of nothing it makes no frame
					d.reads(t, fmt.Sprint(level, " ", window, " ", name), e.EncodeAll(plain, nil), plain)
				}
			}
		}
	}
}

// TestDecoderReadsZstd reads frames of the reference program: with the length in
// them and without, and with all sizes of windows.
func TestDecoderReadsZstd(t *testing.T) {
	program := tools.Zstd(t)
	d, r := newDecoders(t), rand.New(rand.NewPCG(25, 26))
	plain := [][]byte{
		text(r, 300), text(r, 5000), patch(r, 70_000), randomBytes(r, 40_000, 7), append(patch(r, 100_000), text(r, 200_000)...),
	}
	file := filepath.Join(t.TempDir(), "plain")
	for _, options := range []string{
		"-1", "-2", "-3", "-4", "-5", "-6", "-8", "-10", "-12", "-13", "-15", "-16", "-18", "-19", "--ultra -22",
		"-3 --long=27", "-1 --long=20", "--fast=5", "--fast=100", "-19 --single-thread",
	} {
		for n, p := range plain {
			if err := os.WriteFile(file, p, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, stream := range []bool{false, true} {
				args := append(strings.Fields(options), "--no-check", "--stdout", "--quiet")
				cmd := exec.CommandContext(t.Context(), program, args...) //nolint:gosec // our own arguments
				if stream {
					cmd.Stdin = bytes.NewReader(p)
				} else {
					cmd.Args = append(cmd.Args, file)
				}
				frame, err := cmd.Output()
				if err != nil {
					t.Fatal(err)
				}
				d.reads(t, fmt.Sprint(options, ", plaintext ", n, ", streamed ", stream), frame, p)
			}
		}
	}
}

// TestDecoderLeavesToOthers has frames refused as what they are.
func TestDecoderLeavesToOthers(t *testing.T) {
	plain := text(rand.New(rand.NewPCG(27, 28)), 1000)
	frame := NewEncoder().Append(nil, plain)
	checked, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	dictionary := bytes.Clone(frame)
	dictionary[4] |= 1
	for name, c := range map[string]struct {
		frame []byte
		n     int
	}{
		"with a checksum": {checked.EncodeAll(plain, nil), 1000}, "with a dictionary": {dictionary, 1000},
		"two frames": {append(bytes.Clone(frame), frame...), 1000}, "skipped first": {append([]byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9}, frame...), 1000},
		"shorter": {frame, 1001}, "longer": {frame, 999}, "nothing": {nil, 0}, "nonsense": {[]byte("nonsense"), 8},
	} {
		if _, err := guarded(NewDecoder(), c.frame, c.n); !IsOtherKind(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	frame[len(frame)-1] = 0 // where the bits of sequences end
	if _, err := guarded(NewDecoder(), frame, 1000); !errors.Is(err, ErrNotRead) || IsOtherKind(err) {
		t.Errorf("damaged: %v", err)
	}
}

// damagedFrames are of all encoders, and short: each byte of them is damaged.
func damagedFrames(t testing.TB, r *rand.Rand) map[string][2][]byte {
	t.Helper()
	best, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<10))
	if err != nil {
		t.Fatal(err)
	}
	frames := make(map[string][2][]byte)
	for name, plain := range map[string][]byte{
		"text": text(r, 4000), "patches": patch(r, 2000), "short": text(r, 200), "few values": randomBytes(r, 3000, 5),
		"period": bytes.Repeat([]byte("abcdefg"), 100), "large": text(r, 300_000)[:blockSize+5000],
	} {
		if name != "large" {
			frames["best, "+name] = [2][]byte{best.EncodeAll(plain, nil), plain}
		}
		frames["ours, "+name] = [2][]byte{NewEncoder().Append(nil, plain), plain}
	}
	return frames
}

// TestDecoderDamage flips bits of each byte of frames, and cuts them off: what is
// read nevertheless is what the library reads.
func TestDecoderDamage(t *testing.T) {
	d, r := newDecoders(t), rand.New(rand.NewPCG(29, 30))
	read, refused := 0, 0
	for name, f := range damagedFrames(t, r) {
		frame, n := f[0], len(f[1])
		step := 1 + len(frame)/1000 // of a large one, some bytes
		for at := 0; at < len(frame); at += step {
			damaged := [][]byte{frame[:at]}
			for _, flip := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 0xff, byte(1 + r.IntN(255))}[:min(10, 10/step+1)] {
				other := bytes.Clone(frame)
				other[at] ^= flip
				damaged = append(damaged, other)
			}
			for k, b := range damaged {
				ok, err := d.judge(b, n)
				if err != nil {
					t.Fatalf("%s, byte %d, damage %d: %v", name, at, k, err)
				}
				if ok {
					read++
				} else {
					refused++
				}
			}
		}
	}
	t.Logf("%d read as something else, %d refused", read, refused)
	if read == 0 || refused == 0 {
		t.Errorf("%d read as something else, %d refused: this tests nothing", read, refused)
	}
}

func TestDecoderAllocatesNothing(t *testing.T) {
	plain := text(rand.New(rand.NewPCG(31, 32)), 300_000)
	d, frame, dst := NewDecoder(), NewEncoder().Append(nil, plain), make([]byte, 0, len(plain)+Slack)
	if n := testing.AllocsPerRun(10, func() {
		if _, err := d.Append(dst, frame, len(plain)); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecoder has any bytes judged by all decoders.
func FuzzDecoder(f *testing.F) {
	d, r := newDecoders(f), rand.New(rand.NewPCG(33, 34))
	for _, frame := range damagedFrames(f, r) {
		if len(frame[0]) < 5000 {
			f.Add(frame[0], uint32(len(frame[1])))
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, n uint32) {
		if _, err := d.judge(frame, int(n%(1<<19))); err != nil {
			t.Error(err)
		}
	})
}

// FuzzDecoderDamage damages frames of plaintexts that a fuzzer thought of, so
// that more of them get as far as their sequences.
func FuzzDecoderDamage(f *testing.F) {
	d, r := newDecoders(f), rand.New(rand.NewPCG(35, 36))
	for _, n := range []int{0, 20, 50, 200, 5000} {
		f.Add(patch(r, n), uint16(n), uint8(n), uint32(n), uint8(n))
		f.Add(text(r, n), uint16(n), uint8(n), uint32(n), uint8(n))
	}
	e := NewEncoder()
	library, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<12))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, piece []byte, times uint16, flip uint8, at uint32, damage uint8) {
		plain := fuzzed(piece, times, flip)
		if len(plain) == 0 {
			return
		}
		for _, frame := range [][]byte{e.Append(nil, plain), library.EncodeAll(plain, nil)} {
			if damage == 0 {
				d.reads(t, "made up", frame, plain)
				continue
			}
			frame[int(at)%len(frame)] ^= damage
			if _, err := d.judge(frame, len(plain)); err != nil {
				t.Error(err)
			}
		}
	})
}
