package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// weekdays are the names of the days, from 0 on.
const weekdays = "SUNMONTUEWEDTHUFRISAT"

// plainWeekdays rewrites the last field of an expression as a list of
// numbers: the parser knows neither 7 for Sunday nor ranges over it.
func plainWeekdays(text string) (string, error) {
	fields := strings.Fields(text)
	if len(fields) != 5 || strings.HasPrefix(fields[4], "*") || fields[4] == "?" {
		return text, nil
	}
	days, err := parseWeekdays(fields[4])
	if err != nil {
		return "", err
	}
	var list []string
	for day := range 7 {
		if days&(1<<day) != 0 {
			list = append(list, strconv.Itoa(day))
		}
	}
	fields[4] = strings.Join(list, ",")
	return strings.Join(fields, " "), nil
}

// parseWeekdays reads a list of days and ranges of days, such as
// "MON-WED,SAT", into a set with a bit for each day.
func parseWeekdays(text string) (days uint8, err error) {
	for item := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(item, "/")
		from, to, isRange := strings.Cut(span, "-")
		first, err := parseWeekday(from)
		if err != nil {
			return 0, err
		}
		last := first
		if isRange {
			if last, err = parseWeekday(to); err != nil {
				return 0, err
			}
		}
		step := 1
		if stepped {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 || !isRange {
				return 0, fmt.Errorf("%q is no range of days: write it like MON-SAT/2", item)
			}
		}
		length := (last%7 - first%7 + 7) % 7
		if isRange && first != last && length == 0 { // 0-7
			length = 6
		}
		for k := 0; k <= length; k += step {
			days |= 1 << ((first + k) % 7)
		}
	}
	return days, nil
}

func parseWeekday(text string) (int, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 7 {
		return n, nil
	}
	if at := strings.Index(weekdays, strings.ToUpper(text)); len(text) == 3 && at >= 0 && at%3 == 0 {
		return at / 3, nil
	}
	return 0, fmt.Errorf("%q is no day of the week: write SUN to SAT, or 0 to 7", text)
}
