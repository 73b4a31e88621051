{{- /* The part that the pods of the server and of the test have in common. */ -}}
{{- define "service.podSpec" -}}
automountServiceAccountToken: false
# Variables such as SAMPLE_SERVICE_PORT=tcp://... are not needed, because there is DNS.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- $security := .Values.podSecurityContext }}
  {{- if .Values.tls.enabled }}
  {{- /* The files of the secret get this group, so that the process can read the key. */ -}}
  {{- $security = merge (deepCopy $security) (dict "fsGroup" (default 65532 $security.runAsGroup)) }}
  {{- end }}
  {{- toYaml $security | nindent 2 }}
{{- end }}

{{- define "service.containerImage" -}}
image: {{ include "service.image" . }}
{{- with .Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
# With this, `kubectl describe pod` shows the last log lines of a container that failed, such as an
# error in the settings.
terminationMessagePolicy: FallbackToLogsOnError
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
