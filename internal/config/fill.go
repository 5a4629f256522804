package config

import (
	"encoding"
	"reflect"
	"strconv"
)

// fill sets what nobody has set to the value of its struct tag "default", so
// that whoever reads the configuration finds what counts.
func fill(c *Config) {
	fillValue(reflect.ValueOf(&c.Plans).Elem(), "")
	fillValue(reflect.ValueOf(&c.Notify).Elem(), "")
	fillValue(reflect.ValueOf(&c.Repositories).Elem(), "")
	fillValue(reflect.ValueOf(&c.Sources).Elem(), "")
	fillValue(reflect.ValueOf(&c.Service).Elem(), "")
}

func fillValue(v reflect.Value, standard string) {
	switch {
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			fillValue(v.Elem(), "")
		}
	case standard != "":
		if v.IsZero() {
			setText(v, standard)
		}
	case isText(v.Type()):
	case v.Kind() == reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			if f.Tag.Get("config") != later {
				fillValue(v.FieldByIndex(f.Index), f.Tag.Get("default"))
			}
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			fillValue(v.Index(i), "")
		}
	case v.Kind() == reflect.Map && v.Type().Elem().Kind() == reflect.Struct:
		for _, name := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(name))
			fillValue(value, "")
			v.SetMapIndex(name, value)
		}
	}
}

// setText sets a value to one of a struct tag, which a test has read before.
func setText(v reflect.Value, text string) {
	var err error
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		err = u.UnmarshalText([]byte(text))
	} else {
		switch v.Kind() {
		case reflect.String:
			v.SetString(text)
		case reflect.Int:
			var n int
			n, err = strconv.Atoi(text)
			v.SetInt(int64(n))
		case reflect.Float64:
			var f float64
			f, err = strconv.ParseFloat(text, 64)
			v.SetFloat(f)
		default:
			panic("config: no default for " + v.Type().String())
		}
	}
	if err != nil {
		panic("config: default " + text + ": " + err.Error())
	}
}
