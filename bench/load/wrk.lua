-- One POST after the other, as a file says: headers, an empty line, bodies, a line each; `{n}` in a body is a number.
-- The figures come as JSON.

local bodies, number = {}, 0

function init(arguments)
  local among_headers = true
  for line in io.lines(arguments[1]) do
    local name, value = line:match("^([^:]+): (.*)$")
    if line == "" then
      among_headers = false
    elseif among_headers then
      wrk.headers[name] = value
    else
      bodies[#bodies + 1] = line
    end
  end
end

function request()
  number = number + 1
  local body = bodies[number % #bodies + 1]:gsub("{n}", tostring(number))
  return wrk.format("POST", nil, nil, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"rate": %f, "p50": %f, "p99": %f, "requests": %d, "failed": %d}\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.requests, errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
