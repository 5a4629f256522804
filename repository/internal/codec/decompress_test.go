package codec

import (
	"bytes"
	"errors"
	"testing"

	"holdfast/repository/compress"
)

// TestDamageIsToldAsTheLibraryDoes has both decoders refuse the same, and one
// that our decoder leaves to the library read without a word.
func TestDamageIsToldAsTheLibraryDoes(t *testing.T) {
	c := newCodec(t, Default, 1)
	c.readsOwn = true
	c.TellMistakes(func(err error) { t.Errorf("told of %v", err) })
	plain := text(3000, 1)
	frame := c.Compress(nil, plain)
	for at := range frame {
		for _, damaged := range [][]byte{frame[:at], append(append(bytes.Clone(frame[:at]), frame[at]^0x55), frame[at+1:]...)} {
			got, err := c.Decompress(nil, damaged, len(plain))
			want, wrong := c.DecompressAgain(nil, damaged, len(plain))
			if (err == nil) != (wrong == nil) || err != nil && (!errors.Is(err, ErrDamaged) || err.Error() != wrong.Error()) || !bytes.Equal(got, want) {
				t.Fatalf("byte %d: %v, by the library %v", at, err, wrong)
			}
		}
	}
	two := append(c.Compress(nil, plain[:1000]), c.Compress(nil, plain[1000:])...)
	if got, err := c.Decompress(nil, two, len(plain)); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("two frames: %v", err)
	}
}

// TestMistakesOfTheDecoderAreTold has our decoder given less than there is: the
// library reads all of it.
func TestMistakesOfTheDecoderAreTold(t *testing.T) {
	c := newCodec(t, Default, 1)
	var told []error
	c.readsOwn = true
	c.TellMistakes(func(err error) { told = append(told, err) })
	c.readsOwn = true
	c.read = func(d *compress.Decoder, dst, frame []byte, n int) ([]byte, error) {
		return d.Append(dst, frame[:len(frame)-1], n)
	}
	plain := text(3000, 1)
	got, err := c.Decompress([]byte("before"), c.Compress(nil, plain), len(plain))
	if err != nil || string(got) != "before"+string(plain) {
		t.Errorf("something else came back, or %v", err)
	}
	if len(told) != 1 || !errors.Is(told[0], ErrOwnMistake) {
		t.Errorf("told of %v", told)
	}
}
