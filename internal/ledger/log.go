package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"syscall"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newEngineLog hands what the engine logs to log. An engine that cannot go on
// says so in its log and ends the process: here it ends the goroutine, and
// the ledger fails with the reason.
func newEngineLog(log *slog.Logger, broken *breakage) *zap.Logger {
	return zap.New(engineLog{log: log}, zap.WithFatalHook(lastWord{broken}), zap.WithPanicHook(lastWord{broken}))
}

// engineLog is a zapcore.Core that writes to slog, one step quieter: what the
// engine finds notable is of interest to those who look into the engine.
type engineLog struct {
	log    *slog.Logger
	fields []zapcore.Field
}

var _ zapcore.Core = engineLog{}

// level gives the slog level of what the engine logs.
func level(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.DPanicLevel:
		return slog.LevelError
	case l >= zapcore.ErrorLevel:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

func (e engineLog) Enabled(l zapcore.Level) bool {
	return l > zapcore.DebugLevel && e.log.Enabled(context.Background(), level(l))
}

func (e engineLog) With(fields []zapcore.Field) zapcore.Core {
	e.fields = append(e.fields[:len(e.fields):len(e.fields)], fields...)
	return e
}

func (e engineLog) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Enabled(entry.Level) {
		return checked.AddCore(entry, e)
	}
	return checked
}

func (e engineLog) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	values := fieldValues(append(e.fields[:len(e.fields):len(e.fields)], fields...))
	args := make([]any, 0, 2*len(values))
	for key, value := range values {
		args = append(args, key, value)
	}
	e.log.Log(context.Background(), level(entry.Level), "ledger: "+entry.Message, args...)
	return nil
}

func (engineLog) Sync() error { return nil }

func fieldValues(fields []zapcore.Field) map[string]any {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	return enc.Fields
}

// lastWord is called with what the engine says last.
type lastWord struct{ broken *breakage }

// OnWrite implements zapcore.CheckWriteHook.
func (w lastWord) OnWrite(entry *zapcore.CheckedEntry, fields []zapcore.Field) {
	w.broken.report(failure(entry.Message, fields))
	runtime.Goexit()
}

// failure makes an error of the engine's last word. A full disk is no damage.
func failure(message string, fields []zapcore.Field) error {
	reason := errors.New(message)
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			reason = fmt.Errorf("%s: %w", message, err)
		}
	}
	switch {
	case errors.Is(reason, syscall.ENOSPC), strings.Contains(reason.Error(), syscall.ENOSPC.Error()):
		return fmt.Errorf("the disk of the ledger is full: make room, the service goes on from where it was (%w)", reason)
	case errors.Is(reason, syscall.EIO), errors.Is(reason, syscall.EROFS):
		return fmt.Errorf("the disk of the ledger does not take writes: see to it, the service goes on from where it was (%w)", reason)
	}
	return fmt.Errorf("%w (%w)", ErrDamaged, reason)
}
