using System.Globalization;
using System.Text;
using Hexabase.DrConsole.Lab.Postgres;

namespace Hexabase.DrConsole.Lab.Volumes;

/// <summary>A directory such as a shop's uploads: pictures and documents by year and month, a few links, a sparse image, and slow change.</summary>
/// <param name="path">The directory.</param>
/// <param name="isSmall">For tests: a few hundred files instead of several thousand.</param>
public sealed class LabVolume(string path, bool isSmall)
{
    private const int DemoFiles = 4000;
    private const int SmallFiles = 200;
    private const int ChangesAtOnce = 3;
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(20);
    private static readonly string[] s_kinds = ["jpg", "pdf", "txt", "json"];

    /// <summary>The directory's name in the lab's folder.</summary>
    public const string Name = "uploads";

    /// <summary>Makes the files of a new volume; an existing one stays as it is.</summary>
    public static LabVolume In(LabFolder folder, LabSize size)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return new LabVolume(folder.Combine(Name), size == LabSize.Small);
    }

    /// <summary>Fills the directory, where it is new.</summary>
    public void Fill()
    {
        var finished = Path.Combine(path, "README.txt");
        if (File.Exists(finished))
        {
            return;
        }

        var chance = new Random(20261124);
        for (var number = 0; number < (isSmall ? SmallFiles : DemoFiles); number++)
        {
            Write(FileOf(number), Content(chance, number));
        }

        File.CreateSymbolicLink(Path.Combine(path, "latest"), "2026/11");
        Write(Path.Combine(path, "日本語", "請求書.txt"), Encoding.UTF8.GetBytes("請求書 2026年11月\n"));
        using (var image = File.Create(Path.Combine(path, "thumbnails.img")))
        {
            image.SetLength(64 * 1024 * 1024);
            image.Write("thumbnails"u8);
        }

        // Last: what died half-way is made anew.
        Write(finished, "Uploads of the shop. The lab changes a few files every 20 seconds.\n"u8.ToArray());
    }

    /// <summary>Adds, changes and removes a few files now and then, until it is cancelled.</summary>
    public async Task ChangeAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        var chance = new Random();
        var files = isSmall ? SmallFiles : DemoFiles;
        for (var next = files; ; next++)
        {
            await Task.Delay(s_pause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancellationToken.IsCancellationRequested)
            {
                return;
            }

            for (var i = 0; i < ChangesAtOnce; i++)
            {
                Write(FileOf(chance.Next(files)), Content(chance, next + i));
            }

            Write(Path.Combine(path, "incoming", string.Create(CultureInfo.InvariantCulture, $"upload-{next % 500:0000}.txt")), Content(chance, next));
            File.Delete(FileOf(chance.Next(files / 10) * 10));
        }
    }

    private string FileOf(int number) => Path.Combine(
        path, string.Create(CultureInfo.InvariantCulture, $"{2024 + (number % 3)}"), string.Create(CultureInfo.InvariantCulture, $"{1 + (number / 3 % 12):00}"),
        string.Create(CultureInfo.InvariantCulture, $"item-{number:00000}.{s_kinds[number % s_kinds.Length]}"));

    /// <summary>Pictures do not compress, the others do.</summary>
    private static byte[] Content(Random chance, int number)
    {
        var bytes = new byte[chance.Next(200, 40_000)];
        if (number % s_kinds.Length == 0)
        {
            chance.NextBytes(bytes);
            return bytes;
        }

        var line = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{ \"order\": {number}, \"customer\": {chance.Next(30_000)}, \"note\": \"as agreed\" }}\n"));
        for (var at = 0; at < bytes.Length; at += line.Length)
        {
            line.AsSpan(0, Math.Min(line.Length, bytes.Length - at)).CopyTo(bytes.AsSpan(at));
        }

        return bytes;
    }

    private static void Write(string file, byte[] content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, content);
    }
}
