{{- /* The prefix of the variables, as the program makes it from its name. */ -}}
{{- define "service.environmentPrefix" -}}SAMPLE__{{- end }}

{{- /* The variables of a map of settings, as YAML: `server.max_workers` is SERVER__MAX_WORKERS after a prefix. */ -}}
{{- define "service.variables" -}}
{{- range $key, $value := .settings }}
{{- $name := printf "%s%s" $.prefix (upper $key) }}
{{- if kindIs "map" $value }}
{{- include "service.variables" (dict "prefix" (printf "%s__" $name) "settings" $value) }}
{{- else if not (kindIs "invalid" $value) }}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}
{{- /* Without a format, a million would become 1e+06. */ -}}
{{- $value = printf "%.0f" $value }}
{{- end }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The settings, together with those that follow from other values, as YAML. */ -}}
{{- define "service.settings" -}}
{{- $settings := deepCopy .Values.settings }}
{{- $limits := default dict $settings.limits }}
{{- if kindIs "invalid" $limits.connections_per_peer }}
{{- $isBehindProxy := or .Values.grpcRoute.enabled .Values.ingress.enabled }}
{{- $_ := set $limits "connections_per_peer" (ternary "0" "25%" $isBehindProxy) }}
{{- $_ := set $settings "limits" $limits }}
{{- end }}
{{- $address := dict "address" (printf "[::]:%v" .Values.ports.grpc) "health_address" (printf "[::]:%v" .Values.ports.health) }}
{{- $settings = mergeOverwrite $settings (dict "server" $address) }}
{{- if .Values.metrics.enabled }}
{{- $settings = mergeOverwrite $settings (dict "metrics" (dict "address" (printf "[::]:%v" .Values.ports.metrics))) }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- $tls := dict "certificate" "/tls/tls.crt" "key" "/tls/tls.key" }}
{{- if .Values.tls.clientCertificates }}{{ $_ := set $tls "client_ca" "/tls/ca.crt" }}{{ end }}
{{- $settings = mergeOverwrite $settings (dict "tls" $tls) }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{- define "service.environment" -}}
{{- $settings := include "service.settings" . | fromYaml }}
{{- include "service.variables" (dict "prefix" (include "service.environmentPrefix" .) "settings" $settings) }}
{{- end }}

{{- /*
The name ends in a hash of the content, so that a changed setting starts a rollout. It is the hash
that Kustomize makes.
*/ -}}
{{- define "service.configMap" -}}
{{- $data := include "service.environment" . | fromYaml }}
{{- $hash := dict "kind" "ConfigMap" "name" "" "data" $data | toJson | sha256sum | trunc 10 }}
{{- range $from, $to := dict "0" "g" "1" "h" "3" "k" "a" "m" "e" "t" }}{{ $hash = replace $from $to $hash }}{{ end }}
{{- printf "%s-%s" (include "service.fullname" .) $hash }}
{{- end }}

{{- /* The milliseconds of a duration such as "1m 30s". */ -}}
{{- define "service.milliseconds" -}}
{{- $units := dict "ms" 1 "s" 1000 "sec" 1000 "m" 60000 "min" 60000 "h" 3600000 }}
{{- $total := 0 }}
{{- if not (regexMatch "^ *([0-9]+ *[a-z]+ *)+$" .) }}{{ fail (printf "settings.shutdown: %q is not a duration, such as 65s" .) }}{{ end }}
{{- range regexFindAll "[0-9]+ *[a-z]+" . -1 }}
{{- $unit := regexFind "[a-z]+" . }}
{{- if not (hasKey $units $unit) }}{{ fail (printf "settings.shutdown: the unit of %q is not ms, s, m or h" .) }}{{ end }}
{{- $total = add $total (mul (regexFind "[0-9]+" . | float64 | int64) (get $units $unit)) }}
{{- end }}
{{- $total }}
{{- end }}

{{- define "service.gracePeriod" -}}
{{- $shutdown := default dict .Values.settings.shutdown }}
{{- $total := 0 }}
{{- range $key, $default := dict "lame_duck" "5s" "drain" "20s" "flush" "2s" }}
{{- $given := get $shutdown $key }}
{{- $duration := ternary $default (toString $given) (or (kindIs "invalid" $given) (not (hasKey $shutdown $key))) }}
{{- $total = add $total (include "service.milliseconds" $duration | int64) }}
{{- end }}
{{- $end := div (add $total 999) 1000 }}
{{- $given := .Values.terminationGracePeriodSeconds }}
{{- if kindIs "invalid" $given }}
{{- add $end 3 }}
{{- else if le (int64 $given) (add $end 1) }}
{{- fail (printf "terminationGracePeriodSeconds is %v, but lame_duck, drain and flush of settings.shutdown take %v s, and the end a second more: give at least %v" $given $end (add $end 2)) }}
{{- else }}
{{- $given }}
{{- end }}
{{- end }}
