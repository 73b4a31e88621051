{{- /* The names of the templates do not contain the service, so that a copy for another service keeps them. */ -}}

{{- define "service.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- /* At most 50 characters, so that "-headless" and "-client-tls" fit into the 63 of a name. */ -}}
{{- define "service.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $both := printf "%s-%s" .Release.Name $name }}
{{- if contains $name .Release.Name }}{{ $both = .Release.Name }}{{ end }}
{{- default $both .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "service.headless" -}}
{{ include "service.fullname" . }}-headless
{{- end }}

{{- define "service.account" -}}
{{- $default := ternary (include "service.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{- define "service.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end }}
{{- end }}

{{- define "service.tlsSecret" -}}
{{ default (printf "%s-tls" (include "service.fullname" .)) .Values.tls.secretName }}
{{- end }}

{{- define "service.clientTlsSecret" -}}
{{ default (printf "%s-client-tls" (include "service.fullname" .)) .Values.test.secretName }}
{{- end }}

{{- /*
In contrast to the Kustomize base, selectors contain the release, because two releases in a namespace
would otherwise select each other's pods. A selector cannot be changed later.
*/ -}}
{{- define "service.releaseLabels" -}}
app.kubernetes.io/name: {{ include "service.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "service.serverLabels" -}}
{{ include "service.releaseLabels" . }}
app.kubernetes.io/component: server
{{- end }}

{{- /* The labels of all objects but pods. On pods, a new version of the chart would replace the pods. */ -}}
{{- define "service.labels" -}}
{{ include "service.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
