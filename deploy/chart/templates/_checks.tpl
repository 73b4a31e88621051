{{- /* Fails if values contradict each other, and says what to set. The schema finds misspelt values. */ -}}
{{- define "service.check" -}}
{{- $settings := .Values.settings }}
{{- range $section, $names := dict
  "server" (dict "address" "ports.grpc" "health_address" "ports.health")
  "metrics" (dict "address" "metrics.enabled and ports.metrics")
  "tls" (dict "certificate" "tls" "key" "tls" "client_ca" "tls.clientCertificates") }}
{{- range $name, $value := $names }}
{{- if hasKey (get $settings $section | default dict) $name }}
{{- fail (printf "settings.%s.%s is made from %s: set that" $section $name $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.tls.certificate.enabled (not .Values.tls.enabled) }}
{{- fail "tls.certificate.enabled needs tls.enabled" }}
{{- end }}
{{- if and .Values.tls.certificate.enabled (not .Values.tls.certificate.issuerRef.name) }}
{{- fail "tls.certificate.enabled needs tls.certificate.issuerRef.name" }}
{{- end }}
{{- range $name := list "podMonitor" "rules" }}
{{- if and (get $.Values.metrics $name).enabled (not $.Values.metrics.enabled) }}
{{- fail (printf "metrics.%s.enabled needs metrics.enabled" $name) }}
{{- end }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if and .keda.enabled (not (and .enabled $.Values.metrics.enabled)) }}
{{- fail "autoscaling.keda.enabled needs autoscaling.enabled and metrics.enabled" }}
{{- end }}
{{- if and .enabled (not (or .keda.enabled .cpu .memory .queueLength .metrics)) }}
{{- fail "autoscaling.enabled needs cpu, memory, queueLength, metrics or keda" }}
{{- end }}
{{- if gt (int64 .minReplicas) (int64 .maxReplicas) }}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}
{{- end }}
{{- end }}
{{- if le (int64 .Values.rollout.progressDeadlineSeconds) (int64 .Values.rollout.minReadySeconds) }}
{{- fail "rollout.progressDeadlineSeconds must be more than rollout.minReadySeconds" }}
{{- end }}
{{- if and (eq (toString .Values.rollout.maxSurge) "0") (eq (toString .Values.rollout.maxUnavailable) "0") }}
{{- fail "rollout.maxSurge and rollout.maxUnavailable are both 0: no pod could be replaced" }}
{{- end }}
{{- if and (not .Values.autoscaling.enabled) (kindIs "invalid" .Values.replicas) }}
{{- fail "replicas is needed without autoscaling.enabled" }}
{{- end }}
{{- if not (regexMatch "^[a-z]" (include "service.fullname" .)) }}
{{- fail "the name of a Service begins with a letter: choose another name for the release, or set fullnameOverride" }}
{{- end }}
{{- if and .Values.ingress.enabled .Values.tls.enabled .Values.tls.clientCertificates (not (hasKey (default dict .Values.ingress.annotations) "nginx.ingress.kubernetes.io/ssl-passthrough")) }}
{{- fail "ingress-nginx shows the server no certificate: set tls.clientCertificates=false, or the annotation nginx.ingress.kubernetes.io/ssl-passthrough in ingress.annotations" }}
{{- end }}
{{- if and .Values.grpcRoute.enabled (not .Values.grpcRoute.parentRefs) }}
{{- fail "grpcRoute.enabled needs grpcRoute.parentRefs" }}
{{- end }}
{{- if and .Values.ingress.enabled (not (and .Values.ingress.host .Values.ingress.tlsSecretName)) }}
{{- fail "ingress.enabled needs ingress.host and ingress.tlsSecretName" }}
{{- end }}
{{- $ports := values .Values.ports | sortAlpha }}
{{- if ne (len ($ports | uniq)) (len $ports) }}
{{- fail "two of ports.grpc, ports.health and ports.metrics are the same" }}
{{- end }}
{{- end }}
