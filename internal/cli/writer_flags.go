package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"holdfast/repository"
)

// writerFlags say how blobs are stored by commands other than backup.
type writerFlags struct {
	compression string
	packSize    int
}

func (f *writerFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.compression, "compression", "", "`level`: auto, off, fastest, better or max (HOLDFAST_COMPRESSION; default auto)")
	fl.IntVar(&f.packSize, "pack-size", 0, "size of pack files in `MiB`, 4 to 128 (HOLDFAST_PACK_SIZE; default 16)")
}

// options returns what the flags say, or the environment where they say nothing.
func (f *writerFlags) options() (o repository.WriterOptions, err error) {
	if o.Compression, err = repository.ParseCompression(firstOf(f.compression, env("COMPRESSION"), "auto")); err != nil {
		return o, err
	}
	mebibytes := f.packSize
	if mebibytes == 0 {
		mebibytes, err = numberIn("PACK_SIZE")
	}
	o.PackSizeBytes = mebibytes << 20
	return o, err
}

// numberIn returns the number that a variable of the environment holds, 0 for
// none.
func numberIn(name string) (int, error) {
	text := env(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("HOLDFAST_%s or RESTIC_%[1]s holds %q, which is no number", name, text)
	}
	return n, nil
}
